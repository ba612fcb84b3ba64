import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import {
  contentOf,
  EXPECTED,
  fixture,
  opened,
  temporaryFile,
  temporaryFolder,
} from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'

describe('openCheckpoint', () => {
  it.each([
    ['zip.pth', 'pytorch-zip'],
    ['legacy.pth', 'pytorch-legacy'],
    ['plain.safetensors', 'safetensors'],
  ])('knows %s whatever its name', async (name, format) => {
    const bytes = await readFile(fixture(name))
    for (const other of ['weights.bin', 'weights.onnx', 'weights', 'model_best.pth.tar']) {
      const checkpoint = await opened(await temporaryFile(bytes, other))
      expect(checkpoint.format).toBe(format)
      expect(await contentOf(checkpoint)).toEqual(EXPECTED[name])
    }
  })

  it('tells of a missing file, also where a folder of its path is a file', async () => {
    const path = join(await temporaryFolder(), 'absent.pth')
    await expect(opened(path)).rejects.toThrow(
      refusal('ERR_MODEL_NOT_FOUND', /absent\.pth: there is no such file\.$/),
    )
    await expect(opened(join(fixture('zip.pth'), 'x.pth'))).rejects.toThrow(
      refusal('ERR_MODEL_NOT_FOUND', /no such file/),
    )
  })

  it('tells of a folder, a device and an empty file', async () => {
    const folder = join(await temporaryFolder(), 'weights.pth')
    await mkdir(folder)
    await expect(opened(folder)).rejects.toThrow(refusal('ERR_WEIGHTS', /weights\.pth: is a folder/))
    await expect(opened('/dev/null')).rejects.toThrow(refusal('ERR_WEIGHTS', /is a device or pipe/))
    await expect(opened(await temporaryFile(''))).rejects.toThrow(
      refusal('ERR_WEIGHTS', /file\.pth: is empty/),
    )
  })

  it.skipIf(process.platform === 'win32')('does not wait for the writer of a pipe', async () => {
    const path = join(await temporaryFolder(), 'pipe.pth')
    execFileSync('mkfifo', [path])
    await expect(opened(path)).rejects.toThrow(refusal('ERR_WEIGHTS', /pipe\.pth: is a device or pipe/))
  })

  it('tells what another kind of file is', async () => {
    await expect(opened(fixture('old.tar'))).rejects.toThrow(
      refusal('ERR_WEIGHTS', /old\.tar: is a tar archive/),
    )
    await expect(opened(await temporaryFile('<!DOCTYPE html><html>'))).rejects.toThrow(
      refusal('ERR_WEIGHTS', /file\.pth: is a web page/),
    )
  })

  it.each(['zip.pth', 'legacy.pth', 'plain.safetensors'])(
    'tells of a %s that becomes shorter while it is open',
    async (name) => {
      const path = await temporaryFile(await readFile(fixture(name)))
      const checkpoint = await opened(path)
      await truncate(path, 16)
      await expect(contentOf(checkpoint)).rejects.toThrow(refusal('ERR_WEIGHTS', /shorter|damaged/))
    },
  )

  it.skipIf(process.platform !== 'linux')('leaves no file open when it fails', async () => {
    const openFiles = async () => (await readdir('/proc/self/fd')).length
    const before = await openFiles()
    for (let i = 0; i < 20; i++) {
      for (const name of ['no-tensors.pth', 'os-system-legacy.pth', 'old.tar'])
        await opened(fixture(name)).catch(() => {})
    }
    expect(await openFiles()).toBeLessThan(before + 20)
  })
})
