import { spawn } from 'node:child_process'
import { lstat, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stageFile, writeFileAtomically } from '#lib/base/atomic-write.js'
import { abandonedFiles, partialName } from '#lib/base/partial-file.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'

const BYTES = Buffer.from('some bytes')

/** A process id that nothing has any more. */
async function endedProcess(): Promise<number> {
  const child = spawn(process.execPath, ['--version'])
  await new Promise((resolve) => child.once('exit', resolve))
  return child.pid!
}

describe('writeFileAtomically', () => {
  it('writes all parts in order, and leaves nothing else', async () => {
    const folder = await temporaryFolder()
    await writeFileAtomically(join(folder, 'a'), [BYTES, BYTES])
    expect(await readdir(folder)).toEqual(['a'])
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('some bytessome bytes')
  })

  it('leaves the earlier file as it was when its signal aborts, when a part fails, and when it began aborted', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'a')
    await writeFile(path, 'earlier')
    const reason = new Error('enough')
    const controller = new AbortController()
    function* aborting() {
      yield BYTES
      controller.abort(reason)
      yield BYTES
    }
    function* failing() {
      yield BYTES
      throw new Error('no more parts')
    }
    await expect(writeFileAtomically(path, aborting(), controller.signal)).rejects.toBe(reason)
    await expect(writeFileAtomically(path, [BYTES], AbortSignal.abort(reason))).rejects.toBe(reason)
    await expect(writeFileAtomically(path, failing())).rejects.toThrow(
      refusal('ERR_OUTPUT', /a cannot be written \(no more parts\)\.$/),
    )
    expect(await readdir(folder)).toEqual(['a'])
    expect(await readFile(path, 'utf8')).toBe('earlier')
  })

  it('replaces the file that a link names, and the link stays', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a'), 'earlier')
    await symlink('a', join(folder, 'link'))
    await writeFileAtomically(join(folder, 'link'), [BYTES])
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true)
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('some bytes')
  })

  it.each(['/dev/null', '/tmp'])('does not put a file in the place of %s', async (path) => {
    await expect(writeFileAtomically(path, [BYTES])).rejects.toThrow(
      refusal('ERR_OUTPUT', new RegExp(`^${path} cannot be written \\(it is a .*, not a file\\)`)),
    )
    expect((await lstat(path)).isFile()).toBe(false)
  })

  it('names the file, and not the one beside it, where its folder is missing', async () => {
    const path = join(await temporaryFolder(), 'absent', 'a')
    const error = await writeFileAtomically(path, [BYTES]).catch((caught) => caught)
    expect(error.message).toBe(
      `${path} cannot be written (ENOENT: no such file or directory, open '${path}').`,
    )
  })

  it('writes names as long as the file system allows', async () => {
    const folder = await temporaryFolder()
    const name = 'ä'.repeat(127)
    await writeFileAtomically(join(folder, name), [BYTES])
    expect(await readdir(folder)).toEqual([name])
  })
})

describe('stageFile', () => {
  it('removes what was written aside by a thread that was ended', async () => {
    const folder = await temporaryFolder()
    const ended = new Error('ended')
    const staging = stageFile(join(folder, 'a'), async ({ partial }) => {
      await writeFile(partial, 'half')
      throw ended
    })
    await expect(staging).rejects.toBe(ended)
    expect(await readdir(folder)).toEqual([])
  })

  it('removes what killed writers left, and nothing that others may write now', async () => {
    const folder = await temporaryFolder()
    const ours = partialName('a', process.pid)
    const living = partialName('b', process.ppid)
    const dead = partialName('c', await endedProcess())
    const elsewhere = (name: string) => name.replace(/partial-[0-9a-f]{8}/, 'partial-00000000')
    const [fresh, old] = [elsewhere(partialName('d')), elsewhere(partialName('e'))]
    const stranger = 'f.partial-1'
    for (const name of [ours, living, dead, fresh, old, stranger]) {
      await writeFile(join(folder, name), 'half')
    }
    const yesterday = Date.now() / 1000 - 25 * 3600
    for (const name of [old, stranger]) await utimes(join(folder, name), yesterday, yesterday)
    expect((await abandonedFiles(folder)).sort()).toEqual([join(folder, dead), join(folder, old)])
    await writeFileAtomically(join(folder, 'g'), [BYTES])
    expect((await readdir(folder)).sort()).toEqual([ours, living, fresh, stranger, 'g'].sort())
  })
})
