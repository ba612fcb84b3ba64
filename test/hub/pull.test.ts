import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { partialName } from '#lib/base/partial-file.js'
import { pullModel } from '#lib/hub/pull.js'
import { efficientdet, PERSON, type Run, run } from '../helpers/cli.js'
import { CONTENT, emptyCache, MODEL, mirror, serve } from '../helpers/mirror.js'
import { refusal } from '../helpers/refusal.js'

/** A process id that nothing has any more. */
let ended: number
beforeAll(async () => {
  const child = spawn(process.execPath, ['--version'])
  ended = child.pid!
  await new Promise((resolve) => child.once('exit', resolve))
})

/** A cache folder with these files in it. */
async function cacheWith(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const folder = await emptyCache()
  await mkdir(folder)
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
  return folder
}

/** The one file of the cache is whole. */
async function expectWhole(folder: string) {
  expect(await readdir(folder)).toEqual([MODEL.file])
  expect((await readFile(join(folder, MODEL.file))).equals(CONTENT)).toBe(true)
}

describe('pull', () => {
  it('downloads, verifies, and tells how far it is', async () => {
    const folder = await emptyCache()
    const { url, ranges } = await mirror()
    const progress: [number, number | null][] = []
    const pulled = await pullModel(MODEL, {
      mirror: url,
      onProgress: (received, total) => progress.push([received, total]),
    })
    expect(pulled).toEqual({ path: join(folder, MODEL.file), cached: false, sha256: MODEL.sha256 })
    await expectWhole(folder)
    expect(ranges).toEqual([null])
    expect(progress.at(-1)).toEqual([CONTENT.length, CONTENT.length])
    expect(progress.map(([received]) => received)).toEqual(progress.map(([n]) => n).sort((a, b) => a - b))
  })

  it('asks nobody when the file is there, and checks that it is whole', async () => {
    const folder = await cacheWith({ [MODEL.file]: CONTENT })
    const { url, ranges } = await mirror()
    expect(await pullModel(MODEL, { mirror: url })).toMatchObject({
      path: join(folder, MODEL.file),
      cached: true,
    })
    expect(ranges).toEqual([])
  })

  it('accepts a mirror with slashes at its end', async () => {
    const folder = await emptyCache()
    const { url } = await mirror()
    await pullModel(MODEL, { mirror: `${url}//` })
    await expectWhole(folder)
  })

  it('takes a model of whose sum only the first digits are known from a mirror that is trusted, and tells the sum', async () => {
    const folder = await emptyCache()
    const { url, ranges } = await mirror()
    const unsure = { ...MODEL, sha256: MODEL.sha256.slice(0, 8) }
    await expect(pullModel(unsure, { mirror: url })).rejects.toThrow(
      refusal(
        'ERR_INVALID_OPTION',
        /only the first 8 digits of its SHA-256 are known.*\(--trust-mirror\)\.$/,
      ),
    )
    expect(ranges).toEqual([])
    expect(await readdir(folder)).toEqual([])
    expect(await pullModel(unsure, { mirror: url, trustMirror: true })).toMatchObject({
      sha256: MODEL.sha256,
    })
    await expectWhole(folder)
    // What is there needs no mirror.
    expect(await pullModel(unsure, { mirror: url })).toMatchObject({ cached: true, sha256: MODEL.sha256 })
  })

  it('continues what a process left that has ended', async () => {
    const begun = CONTENT.subarray(0, 123_456)
    const folder = await cacheWith({ [partialName(MODEL.file, ended)]: begun })
    const { url, ranges } = await mirror()
    const progress: number[] = []
    await pullModel(MODEL, { mirror: url, onProgress: (received) => progress.push(received) })
    await expectWhole(folder)
    expect(ranges).toEqual(['bytes=123456-'])
    expect(progress[0]).toBeGreaterThan(123_456)
  })

  it('takes a whole file that was only never renamed', async () => {
    const folder = await cacheWith({ [partialName(MODEL.file, ended)]: CONTENT })
    const { url, ranges } = await mirror()
    await pullModel(MODEL, { mirror: url })
    await expectWhole(folder)
    expect(ranges).toEqual([`bytes=${CONTENT.length}-`])
  })

  it('does not touch the unfinished file of a process that runs', async () => {
    const other = partialName(MODEL.file, process.ppid)
    const folder = await cacheWith({ [other]: CONTENT.subarray(0, 1000) })
    const { url, ranges } = await mirror()
    await pullModel(MODEL, { mirror: url })
    expect(ranges).toEqual([null])
    expect((await readdir(folder)).sort()).toEqual([MODEL.file, other].sort())
    expect((await stat(join(folder, other))).size).toBe(1000)
  })

  it('begins anew when what was left belongs to another file', async () => {
    const folder = await cacheWith({ [partialName(MODEL.file, ended)]: Buffer.alloc(1000, 7) })
    const { url, ranges } = await mirror()
    await pullModel(MODEL, { mirror: url })
    await expectWhole(folder)
    expect(ranges).toEqual(['bytes=1000-', null])
  })

  it('begins anew at a server that knows no ranges', async () => {
    const folder = await cacheWith({ [partialName(MODEL.file, ended)]: CONTENT.subarray(0, 1000) })
    const { url } = await mirror((_, response) => {
      response.writeHead(200).end(CONTENT)
    })
    await pullModel(MODEL, { mirror: url })
    await expectWhole(folder)
  })

  it.each([
    ['half', CONTENT.subarray(0, CONTENT.length / 2)],
    ['empty', new Uint8Array(0)],
    ['too long', Buffer.concat([CONTENT, CONTENT])],
    ['another', Buffer.alloc(CONTENT.length, 1)],
  ])('does not take a file for whole that is %s', async (_, content) => {
    const folder = await cacheWith({ [MODEL.file]: content })
    const { url } = await mirror()
    expect(await pullModel(MODEL, { mirror: url })).toMatchObject({ cached: false })
    await expectWhole(folder)
  })

  it('keeps nothing of a file with another sum', async () => {
    const folder = await emptyCache()
    const { url, ranges } = await mirror((request, response) =>
      serve(request, response, Buffer.from('<html>Log in to this network first</html>')),
    )
    await expect(pullModel(MODEL, { mirror: url })).rejects.toThrow(
      refusal(
        'ERR_DOWNLOAD',
        new RegExp(`${url}.*SHA-256 [0-9a-f]{64}; expected ${MODEL.sha256}.*Nothing was kept`),
      ),
    )
    expect(await readdir(folder)).toEqual([])
    expect(ranges).toEqual([null])
  })

  it('says what the server answered, and the path for a file that is brought by hand', async () => {
    const folder = await emptyCache()
    const { url } = await mirror()
    await expect(pullModel({ ...MODEL, file: 'missing.pth' }, { mirror: url })).rejects.toThrow(
      refusal(
        'ERR_DOWNLOAD',
        new RegExp(`missing\\.pth cannot be downloaded .*404.*${join(folder, 'missing.pth')}`),
      ),
    )
    expect(await readdir(folder)).toEqual([])
  })

  it('says so when there is no network', async () => {
    const folder = await emptyCache()
    await expect(pullModel(MODEL, { mirror: 'http://127.0.0.1:3' })).rejects.toThrow(
      refusal('ERR_DOWNLOAD', new RegExp(`ECONNREFUSED.*put it at ${join(folder, MODEL.file)}`)),
    )
  })

  it('keeps what came before the connection broke, and continues it next time', async () => {
    const folder = await emptyCache()
    let first: ServerResponse | undefined
    const { url, ranges } = await mirror((request, response) => {
      if (first !== undefined) return serve(request, response)
      first = response
      response.writeHead(200, { 'Content-Length': CONTENT.length })
      response.write(CONTENT.subarray(0, 100_000))
    })
    const onProgress = (received: number) => received === 100_000 && first?.destroy()
    await expect(pullModel(MODEL, { mirror: url, onProgress })).rejects.toThrow(
      refusal('ERR_DOWNLOAD', /What arrived is kept, and the next try continues it/),
    )
    expect(await readdir(folder)).toEqual([
      expect.stringMatching(`^${MODEL.file}\\.partial-[0-9a-f]{8}-${process.pid}-`),
    ])
    await pullModel(MODEL, { mirror: url })
    await expectWhole(folder)
    expect(ranges).toEqual([null, 'bytes=100000-'])
  })

  it('ends when its signal aborts, with the reason, and continues next time', async () => {
    const folder = await emptyCache()
    const reason = new Error('enough')
    const controller = new AbortController()
    const slow = await mirror((_, response) => {
      response.writeHead(200, { 'Content-Length': CONTENT.length })
      response.write(CONTENT.subarray(0, 50_000))
    })
    const isWritten = async () => {
      const [partial] = await readdir(folder)
      return (await stat(join(folder, partial))).size === 50_000
    }
    const onProgress = (received: number) =>
      received === 50_000 && vi.waitUntil(isWritten, { timeout: 60_000 }).then(() => controller.abort(reason))
    await expect(pullModel(MODEL, { mirror: slow.url, signal: controller.signal, onProgress })).rejects.toBe(
      reason,
    )
    await expect(pullModel(MODEL, { mirror: slow.url, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const good = await mirror()
    await pullModel(MODEL, { mirror: good.url })
    await expectWhole(folder)
    expect(good.ranges).toEqual(['bytes=50000-'])
  })

  it('leaves one whole file when six processes pull at once', async () => {
    const folder = await emptyCache()
    // All of them are under way together.
    const responses: ServerResponse[] = []
    const { url } = await mirror((_, response) => {
      response.writeHead(200, { 'Content-Length': CONTENT.length })
      response.write(CONTENT.subarray(0, 200_000))
      responses.push(response)
      if (responses.length === 6) for (const each of responses) each.end(CONTENT.subarray(200_000))
    })
    const program = `
      import { readFileSync } from 'node:fs'
      import { createHash } from 'node:crypto'
      import { partialName } from '#lib/base/partial-file.js'
import { pullModel } from './dist/hub/pull.js'
      const { path } = await pullModel(${JSON.stringify(MODEL)}, { mirror: ${JSON.stringify(url)} })
      console.log(createHash('sha256').update(readFileSync(path)).digest('hex'))`
    const runs = await Promise.all(
      Array.from({ length: 6 }, () => run(process.execPath, ['--input-type=module', '--eval', program])),
    )
    for (const { code, stdout, stderr } of runs) {
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${MODEL.sha256}\n`, stderr: '' })
    }
    await expectWhole(folder)
  })
})

describe('the cache folder', () => {
  it('is named where it cannot be written', async () => {
    const cache = join(PERSON, 'cache')
    const { url } = await mirror()
    const [pull, detect] = await Promise.all([
      efficientdet(['pull', 'd0', '--mirror', url], { env: { EFFICIENTDET_CACHE: cache } }),
      efficientdet(['detect', PERSON, '--model', 'd0'], { env: { EFFICIENTDET_CACHE: cache } }),
    ])
    expect(pull).toMatchObject({ code: 1, stdout: '' })
    expect(pull.stderr).toContain(`The model cache ${cache} cannot be used`)
    expect(pull.stderr).toMatch(/Set EFFICIENTDET_CACHE to a folder that can be written\. \[ERR_OUTPUT\]/)
    expect(detect).toMatchObject({ code: 1, stdout: '' })
    expect(detect.stderr).toContain(`not in ${cache}. Run: efficientdet pull d0 [ERR_MODEL_NOT_FOUND]`)
  })

  it('is a fault of the folder, not of the network, where the file itself cannot be written', async () => {
    const folder = await emptyCache()
    await mkdir(join(folder, MODEL.file), { recursive: true })
    const { url } = await mirror()
    await expect(pullModel(MODEL, { mirror: url })).rejects.toThrow(
      refusal('ERR_OUTPUT', new RegExp(`The model cache ${folder} cannot be used .*EISDIR`)),
    )
  })

  it('is not needed for the bundled model', async () => {
    const env = { HOME: '/nonexistent', XDG_CACHE_HOME: undefined, EFFICIENTDET_CACHE: undefined }
    const { code, stdout } = await efficientdet(['detect', PERSON], { env })
    expect(code).toBe(0)
    expect(stdout).toContain('1 detection')
    const broken = await efficientdet(['detect', PERSON], { env: { EFFICIENTDET_CACHE: join(PERSON, 'x') } })
    expect(broken.code).toBe(0)
  })

  it.runIf(process.getuid?.() === 0)('may be missing altogether: a user without a home', async () => {
    // Containers run with user ids that no account has; only root can try that.
    const program = `
      import { spawnSync } from 'node:child_process'
      const { status, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', 'pull', 'd0'], {
        uid: 54321, gid: 54321, env: { PATH: process.env.PATH }, encoding: 'utf8' })
      process.stderr.write(stderr)
      process.exitCode = status`
    const { code, stderr }: Run = await run(process.execPath, ['--input-type=module', '--eval', program])
    expect(code).toBe(1)
    expect(stderr).toMatch(/no home folder.*Set EFFICIENTDET_CACHE.*\[ERR_OUTPUT\]/)
  })
})

describe('efficientdet pull', () => {
  it('knows the names', async () => {
    const [similar, other] = await Promise.all([
      efficientdet(['pull', 'lite5']),
      efficientdet(['pull', 'yolov8']),
    ])
    expect(similar).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/"lite5"\. Did you mean lite\d\?/),
    })
    expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/"yolov8"\. There are d0, d1/) })
  })

  it('takes models of unsure sums from no mirror that it was not told to trust', async () => {
    await emptyCache()
    const { url, ranges } = await mirror()
    const { code, stdout, stderr } = await efficientdet(['pull', 'd5', '--mirror', url])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^error: Of d5 only the first 8 digits .*\[ERR_INVALID_OPTION\]\n$/)
    expect(ranges).toEqual([])
  })

  it('reports a failed download and does not leave a file', async () => {
    const folder = await emptyCache()
    const { url } = await mirror()
    const { code, stdout, stderr } = await efficientdet(['pull', 'd0', '--mirror', url])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/tf_efficientdet_d0_34-f153e0cf\.pth cannot be downloaded .*404.*\[ERR_DOWNLOAD\]/)
    expect(await readdir(folder)).toEqual([])
  })
})
