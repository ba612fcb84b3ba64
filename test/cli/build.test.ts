import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { interruptBuild, kept } from '../helpers/builds.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, MAIN, run } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'

const FAKE = ['--backend-library', FAKE_BACKEND]
const TESTABLE = ['build', 'person', '--input-size', '64', ...FAKE]
const BUILD = [...TESTABLE, '--no-self-test']

describe.skipIf(!hasNative)('build', () => {
  it('writes an engine file, which inspect reads', async () => {
    await emptyCache()
    const folder = await temporaryFolder()
    const engine = join(folder, 'person.engine')
    const { code, stdout, stderr } = await efficientdet([
      ...TESTABLE,
      '--out',
      engine,
      '--max-batch-size',
      '4',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(
      /person\.engine: EfficientDet-lite0, 64 high × 64 wide, batch up to 4, fp16, fake 1\.0, Fake GPU, 8\.9, \d+\.\d MB; self-test: compared with the CPU backend's detections, which it has\.\n$/,
    )
    expect(await readdir(folder)).toEqual(['person.engine'])
    const inspected = await efficientdet(['inspect', engine, ...FAKE])
    expect(inspected.stdout).toContain('batch up to 4')
    expect(inspected.stdout).toMatch(/self-test +compared with the CPU backend's detections, which it has\n/)
  })

  it('keeps the engine where loading finds it, and says when it was there', async () => {
    const cache = await emptyCache()
    const first = await efficientdet(BUILD)
    const second = await efficientdet(BUILD)
    expect(first.stdout).toContain(join(cache, 'engines'))
    expect(second.stdout).toBe(first.stdout.replace('MB;', 'MB (built before);'))
    expect(first.stdout).toMatch(/self-test: compared with itself alone, for it has no reference detections/)
    expect((await kept(cache)).engines).toHaveLength(1)
  })

  it('builds for named compute capabilities', async () => {
    await emptyCache()
    const { stdout } = await efficientdet([...BUILD, '--targets', 'sm120,8.9,sm_89'])
    expect(stdout).toContain('compute capability 8.9 and 12.0')
  })

  it('leaves no file when Ctrl-C ends it', async () => {
    const cache = await emptyCache()
    const folder = await temporaryFolder()
    expect(await interruptBuild([...BUILD, '--out', join(folder, 'x.engine')])).toEqual({
      code: 130,
      signal: null,
      output: '',
    })
    expect(await kept(cache)).toEqual({ engines: [], others: [] })
    expect(await readdir(folder)).toEqual([])
  })

  it('refuses a damaged file in the cache where that is wanted', async () => {
    const cache = await emptyCache()
    await efficientdet(BUILD)
    const [name] = (await kept(cache)).engines
    const path = join(cache, 'engines', name)
    await writeFile(path, 'nonsense')
    const refused = await efficientdet([...BUILD, '--on-mismatch', 'refuse'])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/is no engine file of efficientdet-trt.*\[ERR_ENGINE\]/)
    expect((await efficientdet(BUILD)).code).toBe(0)
    expect((await stat(path)).size).toBeGreaterThan(1e6)
  })

  it('says where an engine cannot be kept', async () => {
    await emptyCache()
    const { code, stderr } = await efficientdet(BUILD, { env: { EFFICIENTDET_CACHE: join(MAIN, 'cache') } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/engines cannot be made \(ENOTDIR.*\[ERR_OUTPUT\]/)
    const out = join(await temporaryFolder(), 'x.engine')
    const elsewhere = await efficientdet([...BUILD, '--out', out], {
      env: { EFFICIENTDET_CACHE: join(MAIN, 'cache') },
    })
    expect(elsewhere.code).toBe(0)
    expect(elsewhere.stderr).toMatch(/note: The engine is not kept/)
  })

  it.runIf(process.getuid?.() === 0)('works for a user without a home, and keeps nothing', async () => {
    // Containers run with user ids that no account has; only root can try that.
    const program = `
      import { spawnSync } from 'node:child_process'
      const { status, stdout, stderr } = spawnSync(process.execPath, ${JSON.stringify([MAIN, ...BUILD])}.concat(process.argv.slice(1)), {
        uid: 54321, gid: 54321, env: { PATH: process.env.PATH }, encoding: 'utf8' })
      process.stderr.write(stderr)
      process.exitCode = status`
    const folder = await temporaryFolder()
    await chmod(folder, 0o777)
    const build = (...args: string[]) =>
      run(process.execPath, ['--input-type=module', '--eval', program, '--', ...args])
    const written = await build('--out', join(folder, 'x.engine'))
    expect(written.stderr).toMatch(/note: The engine is not kept.* no home folder/)
    expect(await readdir(folder)).toEqual(['x.engine'])
    const { code, stderr } = await build()
    expect(code).toBe(1)
    expect(stderr).toMatch(/no home folder.*\[ERR_OUTPUT\]/)
  })

  it.each([
    [['--precision', 'int8'], /Allowed choices are fp32, tf32, fp16, bf16/],
    [['--family', '10'], /Allowed choices are tensorrt10, tensorrt11, tensorrt-rtx/],
    [['--max-batch-size', '0'], /maxBatchSize is 0; expected a whole number from 1 to 64/],
    [['--optimisation-level', '6'], /optimisationLevel is 6; expected a whole number from 0 to 5/],
    [['--targets', 'ampere'], /a target is "ampere"; expected a compute capability such as sm89/],
    [['--device', '1'], /device is 1; there are 1 here, counted from 0: Fake GPU/],
    [['--library-path', ''], /'--library-path <path>' argument '' is invalid\. Expected a path/],
    [['--workspace', '0'], /workspace is 0; expected a whole number from 1/],
    [['--backend-library', '/nowhere/x.so'], /There is no \/nowhere\/x\.so\./],
  ])('refuses %j', async (options, message) => {
    const cache = await emptyCache()
    const { code, stderr } = await efficientdet([...BUILD, ...options])
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
    expect((await kept(cache)).engines).toEqual([])
  })
})
