import { execFileSync } from 'node:child_process'
import { appendFile, chown, readFile, symlink, truncate } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openFile, readInto, readSmallFile } from '#lib/base/open-file.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'

const problem = (obstacle: string, message: RegExp) =>
  expect.objectContaining({ obstacle, message: expect.stringMatching(message) })

const isRoot = process.geteuid?.() === 0

describe('A file from outside', () => {
  it('is opened with its size', async () => {
    const path = await temporaryFile('twelve bytes')
    await using file = await openFile(path)
    expect(file.size).toBe(12)
    expect(Buffer.from(await readSmallFile(path, 12)).toString()).toBe('twelve bytes')
  })

  it.skipIf(process.platform === 'win32')('that is none is refused without a wait', async () => {
    const folder = await temporaryFolder()
    const [pipe, socket, loop] = ['pipe', 'socket', 'loop'].map((name) => join(folder, name))
    execFileSync('mkfifo', [pipe])
    await symlink(loop, loop)
    const server = createServer().listen(socket)
    try {
      // More than libuv has threads.
      const openings = Array.from({ length: 20 }, () => openFile(pipe))
      for (const result of await Promise.allSettled(openings)) {
        expect(result).toMatchObject({ reason: problem('special', /^is a device or pipe$/) })
      }
      await expect(openFile(socket)).rejects.toEqual(problem('system', /^cannot be read \(ENXIO/))
      await expect(openFile('/dev/zero')).rejects.toEqual(problem('special', /./))
      await expect(openFile(folder)).rejects.toEqual(problem('folder', /^is a folder$/))
      await expect(openFile(loop)).rejects.toEqual(problem('system', /ELOOP/))
    } finally {
      server.close()
    }
  })

  it('that cannot be there is told', async () => {
    const file = await temporaryFile('')
    for (const path of [`${file}.gone`, join(file, 'inside')]) {
      await expect(openFile(path)).rejects.toEqual(problem('missing', /^cannot be read \(ENO/))
    }
    for (const path of ['a\0b', 'x'.repeat(5000)]) {
      await expect(openFile(path)).rejects.toEqual(problem('system', /^cannot be read/))
    }
  })

  it('that is longer than its kind is refused before it is read', async () => {
    const path = await temporaryFile('')
    await truncate(path, 2 ** 40)
    await expect(readSmallFile(path, 1000)).rejects.toEqual(
      problem('long', /^has 1099511627776 bytes, and 1000/),
    )
  })

  it('is read as long as it was when it was opened, though it grows', async () => {
    const path = await temporaryFile('12345')
    await using file = await openFile(path)
    await appendFile(path, '67890')
    const target = Buffer.alloc(file.size)
    expect(await readInto(file.handle, target, 0)).toBe(5)
    await truncate(path, 2)
    expect(await readInto(file.handle, target, 0)).toBe(2)
  })
})

describe('A file in a folder of ours', () => {
  it('is no link, whoever made it', async () => {
    const folder = await temporaryFolder()
    const target = await temporaryFile('secret')
    const link = join(folder, 'link')
    await symlink(target, link)
    await expect(openFile(link, { ours: true })).rejects.toEqual(problem('link', /^is a link/))
    expect(Buffer.from(await readSmallFile(link, 100)).toString()).toBe('secret')
    expect(await readFile(target, 'utf8')).toBe('secret')
  })

  it.skipIf(!isRoot)("is not another user's (needs root, to make one)", async () => {
    const path = await temporaryFile('planted')
    expect(Buffer.from(await readSmallFile(path, 100, { ours: true })).toString()).toBe('planted')
    await chown(path, 12_345, 12_345)
    await expect(openFile(path, { ours: true })).rejects.toEqual(
      problem('not-ours', /^belongs to another user \(number 12345\)$/),
    )
  })
})
