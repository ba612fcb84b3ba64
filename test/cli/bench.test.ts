import { spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, MAIN, PERSON } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'
import { FAKE_BACKEND, hasNative } from '../helpers/native.js'

type Quantiles = Readonly<Record<'median' | 'p95' | 'p99', number>>

interface Report {
  readonly backend: { readonly name: string; readonly description: string }
  readonly picture: { readonly source: string; readonly width: number; readonly height: number }
  readonly runs: number
  readonly concurrency: number
  readonly picturesPerSecond: number
  readonly processorTimePerPicture: number
  readonly coresBusy: number
  readonly milliseconds: Readonly<Record<string, Quantiles>>
  readonly machine: string
  readonly date: string
}

const SMALL = ['--input-size', '64', '--backend', 'cpu']

describe('bench', () => {
  it('prints what was timed, on what, and each stage', async () => {
    const { code, stdout } = await efficientdet(['bench', '--runs', '5', '--warm-up', '1', ...SMALL])
    expect(code).toBe(0)
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(/^EfficientDet-lite0 on onnxruntime .*, input 64 high × 64 wide$/)
    expect(stdout).toMatch(/^ {2}picture .*person\.jpg, 640×424$/m)
    expect(stdout).toMatch(/^ {2}calls +5 after 1 to warm up, 1 at a time$/m)
    expect(stdout).toContain(cpus()[0].model.trim())
    expect(stdout).toMatch(
      new RegExp(`^ {2}versions +efficientdet-trt .*, Node ${process.versions.node}$`, 'm'),
    )
    const table = lines.slice(lines.findIndex((line) => /^ {2}ms +median +p95 +p99$/.test(line)) + 1)
    expect(table.slice(0, 6).map((line) => line.replace(/\d+\.\d\d/g, '#').split(/ +/))).toEqual(
      ['total', 'decode', 'queue', 'preprocess', 'network', 'postprocess'].map((stage) => [
        '',
        stage,
        '#',
        '#',
        '#',
      ]),
    )
    expect(stdout).toMatch(
      /\n {2}\d+\.\d pictures a second; \d+\.\d ms of processor time for each, \d+\.\d cores busy\n$/,
    )
  })

  it('says the same as JSON: quantiles are of one another and of the whole', async () => {
    const args = ['bench', PERSON, '--runs', '20', '--concurrency', '4', '--json', ...SMALL]
    const { code, stdout, stderr } = await efficientdet(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report: Report = JSON.parse(stdout)
    expect(report).toMatchObject({
      backend: { name: 'cpu' },
      picture: { source: PERSON, width: 640, height: 424 },
      runs: 20,
      warmUp: 100,
      concurrency: 4,
    })
    const { processorTimePerPicture, picturesPerSecond, coresBusy } = report
    expect((processorTimePerPicture * picturesPerSecond) / 1000).toBeCloseTo(coresBusy, 9)
    expect(coresBusy).toBeGreaterThan(0)
    expect(Date.now() - Date.parse(report.date)).toBeLessThan(120_000)
    const { total, ...stages } = report.milliseconds
    for (const { median, p95, p99 } of [total, ...Object.values(stages)]) {
      expect(0 <= median && median <= p95 && p95 <= p99).toBe(true)
    }
    for (const { median } of Object.values(stages)) expect(median).toBeLessThan(total.median)
  })

  it('fails as detect does, at once', async () => {
    const missing = join(await temporaryFolder(), 'missing.jpg')
    const [noFile, noRuns, noModel] = await Promise.all([
      efficientdet(['bench', missing, '--concurrency', '3', ...SMALL]),
      efficientdet(['bench', '--runs', '0']),
      efficientdet(['bench', '--model', 'persn']),
    ])
    expect(noFile).toMatchObject({
      code: 1,
      stdout: expect.not.stringContaining('median'),
      stderr: expect.stringMatching(/missing\.jpg: there is no such file/),
    })
    expect(noRuns).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: --runs is 0; expected a whole number/),
    })
    expect(noModel).toMatchObject({ code: 1, stderr: expect.stringMatching(/Did you mean person\?/) })
  })

  it('ends with Ctrl-C', async () => {
    const child = spawn(process.execPath, [MAIN, 'bench', '--runs', '1000000', ...SMALL], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
    let output = ''
    for await (const text of child.stdout) {
      output += text
      // The model was loaded, and calls are made. A second one would end the process as it is.
      if (!child.killed) child.kill('SIGINT')
    }
    expect(await exited).toEqual({ code: 130, signal: null })
    expect(output).toMatch(/^EfficientDet-lite0 on .*\n$/)
  })

  it.skipIf(!hasNative)('times a GPU, whose batch and precision it is told', async () => {
    await emptyCache()
    const args = [
      'bench',
      '--runs',
      '8',
      '--concurrency',
      '4',
      '--max-batch-size',
      '2',
      '--precision',
      'fp32',
      '--json',
    ]
    const gpu = [
      '--backend',
      'tensorrt',
      '--backend-library',
      FAKE_BACKEND,
      '--input-size',
      '64',
      '--no-self-test',
    ]
    const { code, stdout, stderr } = await efficientdet([...args, ...gpu])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { backend }: Report = JSON.parse(stdout)
    expect(backend).toMatchObject({
      name: 'tensorrt',
      gpus: [{ device: 0, precision: 'fp32', maxBatchSize: 2 }],
      description: expect.stringMatching(/^fake backend 1\.0: /),
    })
  })
})
