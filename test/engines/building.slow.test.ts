import { spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { enginesFolder } from '#lib/engines/cache.js'
import { readEngine } from '#lib/engines/engine-file.js'
import { type BuildOptions, buildEngine } from '#lib/index.js'
import { buildBegins, kept } from '../helpers/builds.js'
import { efficientdet, MAIN } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'
import { random } from '../helpers/random.js'

const BUILD = ['build', 'person', '--backend-library', FAKE_BACKEND, '--input-size', '64', '--no-self-test']

const build = (options: BuildOptions = {}) =>
  buildEngine('person', {
    backendLibrary: FAKE_BACKEND,
    inputSize: 64,
    ...options,
    engine: { selfTest: false, ...options.engine },
  })

describe.skipIf(!hasNative)('a cached engine', () => {
  it('is another for other options', async () => {
    await emptyCache()
    await build()
    for (const options of [
      { maxBatchSize: 1 },
      { inputSize: 96 },
      { engine: { precision: 'fp32' } },
      { engine: { precision: 'tf32' } },
      { anchors: { anchorScale: 4 } },
      { padding: { fpn: 'symmetric' } },
      { engine: { workspace: 64 } },
      { engine: { optimisationLevel: 2 } },
      { targets: ['sm86'] },
    ] as const) {
      const { cached } = await build(options)
      expect({ ...options, cached }).toEqual({ ...options, cached: false })
      expect(await build(options)).toMatchObject({ cached: true })
    }
  })

  it('eight processes that want the same engine cause one build', async () => {
    const cache = await emptyCache()
    const runs = await Promise.all(
      Array.from({ length: 8 }, () => efficientdet(BUILD, { env: { FAKE_BACKEND: 'step=10000' } })),
    )
    expect(runs.map(({ code }) => code)).toEqual(Array(8).fill(0))
    expect(runs.filter(({ stdout }) => !stdout.includes('(built before)'))).toHaveLength(1)
    const { engines, others } = await kept(cache)
    expect([engines.length, others]).toEqual([1, []])
    // The fake builder's timing cache grows by one byte with every build.
    const [timing] = (await readdir(enginesFolder())).filter((name) => name.endsWith('.timing'))
    expect((await stat(join(enginesFolder(), timing))).size).toBe(32 + 1)
  })

  it('a builder that is killed leaves no lock and no half file', async () => {
    const cache = await emptyCache()
    const rng = random(36)
    for (let i = 0; i < 10; i++) {
      const child = spawn(process.execPath, [MAIN, ...BUILD], {
        env: { ...process.env, FAKE_BACKEND: 'step=5000' },
        stdio: 'ignore',
      })
      const exited = new Promise((resolve) => child.once('exit', resolve))
      // Half of them while the engine is built, the others anywhere.
      if (i % 2 === 0) await Promise.race([buildBegins(), exited])
      await sleep(rng.int(i % 2 === 0 ? 500 : 1500))
      child.kill('SIGKILL')
      await exited
      for (const engine of (await kept(cache)).engines) await readEngine(join(cache, 'engines', engine))
    }
    const { path } = await build({ maxBatchSize: 3 })
    await readEngine(path)
    expect((await kept(cache)).others).toEqual([])
  })
})
