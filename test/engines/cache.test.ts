import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { partialName } from '#lib/base/partial-file.js'
import { type CacheRequest, cachedEngine, discardEngine, enginesFolder } from '#lib/engines/cache.js'
import { readEngine, writeEngine } from '#lib/engines/engine-file.js'
import { engineKey } from '#lib/engines/key.js'
import { engineOf, HEADER } from '../helpers/engines.js'
import { emptyCache } from '../helpers/mirror.js'
import { refusal } from '../helpers/refusal.js'

const { plan } = engineOf()
const { referenceDetections, ...recipe } = HEADER

/** A request whose builds are counted. */
function request(options: Partial<CacheRequest> = {}) {
  const timingCaches: (Uint8Array | null)[] = []
  const wanted: CacheRequest = {
    recipe,
    onMismatch: 'rebuild',
    signal: undefined,
    onProgress: () => {},
    build: async (timingCache, onProgress) => {
      timingCaches.push(timingCache)
      onProgress({ fraction: 0.5, phase: 'building' })
      return { plan, referenceDetections, timingCache: Uint8Array.of(1, 2, timingCaches.length) }
    },
    ...options,
  }
  return { wanted, timingCaches }
}

const pathOf = (header = HEADER) => join(enginesFolder(), `${engineKey(header)}.engine`)

describe('the cache of engines', () => {
  it('builds once and finds it again', async () => {
    await emptyCache()
    const { wanted, timingCaches } = request()
    const built = await cachedEngine(wanted)
    expect(built).toMatchObject({ cached: false, path: pathOf(), notKept: null })
    const found = await cachedEngine({ ...wanted, recipe: { ...recipe, notes: ['of now'] } })
    expect(found).toMatchObject({ cached: true, path: pathOf(), header: { notes: ['of now'] } })
    expect([built.header.referenceDetections, found.header.referenceDetections]).toEqual([
      referenceDetections,
      referenceDetections,
    ])
    expect(Buffer.compare(found.plan, plan)).toBe(0)
    expect(timingCaches).toEqual([null])
    expect((await readEngine(pathOf())).header).toEqual(HEADER)
  })

  it('builds once for eight who ask at the same time, who all hear of its progress', async () => {
    await emptyCache()
    const heard: string[][] = []
    const { wanted, timingCaches } = request()
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) => {
        heard.push([])
        return cachedEngine({
          ...wanted,
          onProgress: ({ phase }) => heard[i].push(phase),
          build: async (timingCache, onProgress) => {
            const built = await wanted.build(timingCache, onProgress)
            await vi.waitUntil(() => heard.every(({ length }) => length > 0), { timeout: 60_000 })
            return built
          },
        })
      }),
    )
    expect(timingCaches).toHaveLength(1)
    expect(results.filter(({ cached }) => !cached)).toHaveLength(1)
    expect(heard).toEqual(Array(8).fill(['building']))
  })

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['a link to an engine', async (path) => symlink(path.replace(/[^/]*$/, 'planted'), path)],
    ['a pipe', async (path) => execFileSync('mkfifo', [path])],
    [
      "another user's engine",
      async (path) => {
        await copyFile(path.replace(/[^/]*$/, 'planted'), path)
        await chown(path, 12_345, 12_345)
      },
    ],
  ])('takes nothing that others planted, but builds: %s', async (name, plant) => {
    if (name.startsWith('another') && process.geteuid?.() !== 0) return
    await emptyCache()
    const { wanted } = request()
    await cachedEngine(wanted)
    await rename(pathOf(), join(enginesFolder(), 'planted'))
    await plant(pathOf())
    await expect(cachedEngine({ ...wanted, onMismatch: 'refuse' })).rejects.toThrow(
      refusal('ERR_ENGINE', /(is a link|is a device or pipe|belongs to another user)/),
    )
    expect(await cachedEngine(wanted)).toMatchObject({ cached: false })
  })

  it('reads no timing cache through a link', async () => {
    await emptyCache()
    const { wanted, timingCaches } = request()
    await cachedEngine(wanted)
    const name = (await readdir(enginesFolder())).find((it) => it.endsWith('.timing'))!
    await rename(join(enginesFolder(), name), join(enginesFolder(), 'planted'))
    await symlink('planted', join(enginesFolder(), name))
    await rm(pathOf())
    await cachedEngine(wanted)
    expect(timingCaches).toEqual([null, null])
  })

  it('gives each build what earlier ones measured on that GPU', async () => {
    await emptyCache()
    const { wanted, timingCaches } = request()
    await cachedEngine(wanted)
    await cachedEngine({ ...wanted, recipe: { ...recipe, graph: 'a'.repeat(64) } })
    const other = { ...recipe, target: { ...recipe.target, gpu: 'NVIDIA L4' } }
    await cachedEngine({ ...wanted, recipe: other })
    expect(timingCaches.map((cache) => cache && [...cache])).toEqual([null, [1, 2, 1], null])
    // A damaged one is left out.
    const [timing] = (await readdir(enginesFolder()))
      .filter((name) => name.includes('4090'))
      .filter((name) => name.endsWith('.timing'))
    await writeFile(join(enginesFolder(), timing), Buffer.alloc(40))
    await cachedEngine({ ...wanted, recipe: { ...recipe, graph: 'b'.repeat(64) } })
    expect(timingCaches[3]).toBeNull()
  })

  describe.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    ['damaged', async (path) => writeFile(path, (await readFile(path)).fill(0, 500, 510)), /checksum/],
    [
      'truncated',
      async (path) => writeFile(path, (await readFile(path)).subarray(0, 900)),
      /its end is missing/,
    ],
    ['empty', (path) => writeFile(path, ''), /is empty/],
    ['foreign', (path) => writeFile(path, 'something else'), /is no engine file/],
    [
      'stale',
      (path) =>
        writeEngine(path, engineOf({ ...HEADER, target: { ...HEADER.target, libraryVersion: '10.3.0' } })),
      /has TensorRT 10\.3\.0 instead of 10\.15\.1/,
    ],
  ])('with a %s file', (_, spoil, message) => {
    it('builds again', async () => {
      await emptyCache()
      const { wanted, timingCaches } = request()
      await cachedEngine(wanted)
      await spoil(pathOf())
      expect(await cachedEngine(wanted)).toMatchObject({ cached: false, notKept: null })
      expect(await cachedEngine(wanted)).toMatchObject({ cached: true })
      expect(timingCaches).toHaveLength(2)
    })

    it('refuses where that was asked for', async () => {
      await emptyCache()
      const { wanted, timingCaches } = request({ onMismatch: 'refuse' })
      await cachedEngine(wanted)
      await spoil(pathOf())
      await expect(cachedEngine(wanted)).rejects.toThrow(refusal('ERR_ENGINE', message))
      expect(timingCaches).toHaveLength(1)
    })
  })

  it('discards an engine with what was measured for it, and leaves the others', async () => {
    await emptyCache()
    const { wanted, timingCaches } = request()
    const other = { ...recipe, target: { ...recipe.target, gpu: 'NVIDIA L4' } }
    const spared = await cachedEngine({ ...wanted, recipe: other })
    await discardEngine(await cachedEngine(wanted), 'Some GPU')
    expect(await cachedEngine(wanted)).toMatchObject({ cached: false })
    expect(timingCaches).toEqual([null, null, null])
    expect(await cachedEngine({ ...wanted, recipe: other })).toMatchObject({
      cached: true,
      path: spared.path,
    })
  })

  it('gives the engine also where it cannot be kept, and says why', async () => {
    const cache = await emptyCache()
    await mkdir(join(cache, '..'), { recursive: true })
    await writeFile(cache, 'a file where a folder should be')
    const { wanted } = request()
    const { notKept, cached, ...built } = await cachedEngine(wanted)
    expect(Buffer.compare(built.plan, plan)).toBe(0)
    expect(cached).toBe(false)
    expect(notKept).toEqual(refusal('ERR_OUTPUT', /engines cannot be made \(ENOTDIR/))
  })

  it('takes away what killed builders left', async () => {
    await emptyCache()
    await mkdir(enginesFolder(), { recursive: true })
    const child = spawn(process.execPath, ['--version'])
    await once(child, 'exit')
    await writeFile(join(enginesFolder(), partialName('a.engine', child.pid)), 'half')
    expect((await cachedEngine(request().wanted)).notKept).toBeNull()
    expect((await readdir(enginesFolder())).filter((name) => name.includes('partial'))).toEqual([])
  })

  it('keeps nothing of a build that fails, and lets the next one in', async () => {
    await emptyCache()
    const { wanted } = request()
    await expect(
      cachedEngine({ ...wanted, build: () => Promise.reject(new Error('no kernel')) }),
    ).rejects.toThrow('no kernel')
    expect(await readdir(enginesFolder()).catch(() => [])).toEqual([])
    expect(await cachedEngine(wanted)).toMatchObject({ cached: false, notKept: null })
  })

  it('lets progress never fall, though a builder was killed in between', async () => {
    await emptyCache()
    const fractions: number[] = []
    const { wanted } = request({
      onProgress: ({ fraction }) => fractions.push(fraction),
      build: async (_, onProgress) => {
        for (const fraction of [0.1, 0.6, 0.2, 1]) onProgress({ fraction, phase: '' })
        return { plan, referenceDetections, timingCache: new Uint8Array() }
      },
    })
    await cachedEngine(wanted)
    expect(fractions).toEqual([0.1, 0.6, 0.6, 1])
    expect((await readdir(enginesFolder())).filter((name) => name.endsWith('.timing'))).toEqual([])
  })
})
