import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeFolder } from '#lib/base/folder.js'
import { temporaryFolder } from '../helpers/checkpoints.js'

describe('a folder', () => {
  it('is made with those above it, by several at once', async () => {
    const folder = join(await temporaryFolder(), 'a', 'b', 'c')
    await Promise.all([makeFolder(folder), makeFolder(`${folder}/`), makeFolder(join(folder, 'd'))])
    expect((await stat(join(folder, 'd'))).isDirectory()).toBe(true)
    await makeFolder(folder)
  })

  it('is refused under the name of a file, or below one', async () => {
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    await expect(makeFolder(file)).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(makeFolder(join(file, 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it.skipIf(process.platform !== 'linux')('is refused where the file system takes none', async () => {
    await mkdir('/proc/none').catch(({ code }) => expect(code).toBe('ENOENT'))
    await expect(makeFolder('/proc/none/below')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
