import { cpus } from 'node:os'
import type { Command } from 'commander'
import type { EfficientDet } from '../api/detector.js'
import type { DetectionResult, Timings } from '../api/result.js'
import { VERSION } from '../base/version.js'
import { bundledPath } from '../hub/bundled.js'
import { checkInteger } from '../options/checks.js'
import { ENGINE_OPTIONS, type EngineOptions } from '../options/engine.js'
import { LOAD_OPTIONS, type LoadOptions } from '../options/load.js'
import { parseInteger, parsePath } from './arguments.js'
import {
  addDetectorOptions,
  type DetectorFlags,
  loadDetector,
  printCircumstances,
  titleOf,
} from './detector.js'
import { flagOf, given } from './flags.js'
import { print, printFacts, printJson } from './output.js'
import { ProgressBar } from './progress.js'
import { formatTable } from './table.js'

interface BenchFlags
  extends DetectorFlags,
    Pick<LoadOptions, 'maxBatchSize'>,
    Pick<EngineOptions, 'precision'> {
  readonly runs: number
  readonly warmUp?: number
  readonly concurrency: number
  readonly json: boolean
}

export function addBenchCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('bench')
    .description('time detection in a picture, stage by stage, on this machine')
    .argument('[picture]', 'a picture file (default: the bundled photograph)', parsePath)
    .option('--runs <n>', 'calls that are timed', parseInteger, 100)
    .option('--warm-up <n>', 'calls before them (default: 10, or 100 with several at a time)', parseInteger)
    .option('--concurrency <n>', 'calls at a time; a GPU works on several together', parseInteger, 1)
    .addOption(flagOf(LOAD_OPTIONS, 'maxBatchSize'))
    .addOption(flagOf(ENGINE_OPTIONS, 'precision'))
    .option('--json', 'as JSON', false)
  addDetectorOptions(command).action((image: string | undefined, flags: BenchFlags) =>
    bench(image ?? bundledPath('person/person.jpg'), flags, signal),
  )
}

async function bench(image: string, flags: BenchFlags, signal: AbortSignal): Promise<void> {
  const runs = checkInteger('--runs', flags.runs, 1, 1_000_000)
  const concurrency = checkInteger('--concurrency', flags.concurrency, 1, 10_000)
  // Networks that share the cores of a CPU are opened meanwhile.
  const { warmUp = concurrency > 1 ? 100 : 10 } = flags
  await using detector = await loadDetector(flags, {
    ...given(flags, ['maxBatchSize']),
    engine: given(flags, ['precision']),
    maxPending: concurrency,
    signal,
  })
  if (!flags.json) {
    printCircumstances(detector)
    print(titleOf(detector))
  }
  const bar = new ProgressBar('{value}/{total} calls, {eta_formatted} left')
  let done = 0
  const detect = async () => {
    const result = await detector.detect(image, { signal })
    bar.update(++done, warmUp + runs)
    return result
  }
  let results: DetectionResult[]
  let spent: Spent
  try {
    await repeat(warmUp, concurrency, detect)
    const [start, used] = [performance.now(), process.cpuUsage()]
    results = await repeat(runs, concurrency, detect)
    const { user, system } = process.cpuUsage(used)
    spent = { seconds: (performance.now() - start) / 1000, processorSeconds: (user + system) / 1e6 }
  } finally {
    bar.end()
  }
  const report = reportOf(detector, results, { runs, warmUp, concurrency, ...spent })
  if (flags.json) printJson(report, 2)
  else printReport(report)
}

/** Calls something a number of times, so many at a time. */
async function repeat<T>(times: number, concurrency: number, call: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let left = times
  const lane = async () => {
    while (left-- > 0) results.push(await call())
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return results
}

const STAGES = ['total', 'decode', 'queue', 'preprocess', 'network', 'postprocess'] as const

/** What calls took altogether. */
interface Spent {
  readonly seconds: number
  /** Seconds of all threads. */
  readonly processorSeconds: number
}

type Measured = Spent & Required<Pick<BenchFlags, 'runs' | 'warmUp' | 'concurrency'>>

type Report = ReturnType<typeof reportOf>

function reportOf(
  { model, backend }: EfficientDet,
  results: readonly DetectionResult[],
  { runs, warmUp, concurrency, seconds, processorSeconds }: Measured,
) {
  const [{ source, width, height }] = results
  const processors = cpus()
  return {
    model: { variant: model.variant, classes: model.classes, inputSize: model.inputSize },
    backend: { name: backend.name, description: backend.description, gpus: backend.gpus },
    picture: { source, width, height },
    runs,
    warmUp,
    concurrency,
    picturesPerSecond: runs / seconds,
    /** Milliseconds of all threads. */
    processorTimePerPicture: (1000 * processorSeconds) / runs,
    coresBusy: processorSeconds / seconds,
    milliseconds: Object.fromEntries(
      STAGES.map((stage) => [stage, quantiles(results.map(({ timings }) => timings[stage]))]),
    ) as Record<keyof Timings, Quantiles>,
    version: VERSION,
    machine: `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${process.platform} ${process.arch}`,
    node: process.versions.node,
    date: new Date().toISOString(),
  }
}

interface Quantiles {
  readonly median: number
  readonly p95: number
  readonly p99: number
}

/** Picks values that were measured: the least that so many of all are not above. */
function quantiles(values: readonly number[]): Quantiles {
  const ascending = [...values].sort((a, b) => a - b)
  const at = (part: number) => ascending[Math.ceil(part * ascending.length) - 1]
  return { median: at(0.5), p95: at(0.95), p99: at(0.99) }
}

function printReport(report: Report): void {
  const { picture: image, runs, warmUp, concurrency, milliseconds, machine, node, date, version } = report
  printFacts({
    picture: `${image.source}, ${image.width}×${image.height}`,
    calls: `${runs} after ${warmUp} to warm up, ${concurrency} at a time`,
    machine,
    versions: `efficientdet-trt ${version}, Node ${node}`,
    date: date.slice(0, 10),
  })
  const rows = STAGES.map((stage) => {
    const { median, p95, p99 } = milliseconds[stage]
    return [stage, ...[median, p95, p99].map((value) => value.toFixed(2))]
  })
  const table = formatTable([['ms', 'median', 'p95', 'p99'], ...rows], ['left', 'right', 'right', 'right'])
  print('', ...table.map((line) => `  ${line}`))
  const { picturesPerSecond, processorTimePerPicture, coresBusy } = report
  print(
    '',
    `  ${picturesPerSecond.toFixed(1)} pictures a second; ${processorTimePerPicture.toFixed(1)} ms of processor time for each, ${coresBusy.toFixed(1)} cores busy`,
  )
}
