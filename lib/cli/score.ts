import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { EfficientDetError } from '../base/errors.js'
import { type ScoreProgress, type ScoreSummary, score, scoreStatus } from '../batch/index.js'
import { SCORE_OPTIONS, type ScoreOptions, type ShardChoice } from '../options/batch.js'
import { parsePath, parsePaths } from './arguments.js'
import { addDetectOptions, type DetectOptionsFlags, detectOptionsOf } from './detect-options.js'
import { addDetectorOptions, type DetectorFlags, loadOptionsOf } from './detector.js'
import { addFlags, flagOf, given } from './flags.js'
import { print, printError, printFacts, printJson } from './output.js'
import { ProgressBar } from './progress.js'

const NAMES = ['format', 'shardSize', 'retryErrors', 'maxInFlight'] as const

/** Exit code of a run that has done all it could, while some pictures cannot be scored. */
const SOME_FAILED = 3

/** Where Kubernetes and Slurm tell which of many a job is. */
const INDEX_VARIABLES = ['JOB_COMPLETION_INDEX', 'SLURM_ARRAY_TASK_ID']

interface ScoreFlags
  extends DetectorFlags,
    DetectOptionsFlags,
    Pick<ScoreOptions, (typeof NAMES)[number] | 'shard' | 'queue'> {
  readonly out?: string
  readonly status?: string
  readonly json: boolean
}

export function addScoreCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('score')
    .description('score many pictures into files; started again, it goes on where it was')
    .argument(
      '[source...]',
      'folders, patterns, pictures, lists (.txt), manifests (.jsonl), tar archives, s3:// prefixes; - is a list on standard input',
      parsePaths,
    )
    .option('--out <folder>', 'folder or s3:// prefix of the results', parsePath)
    .option('--status <folder>', 'tell how far the run there is', parsePath)
    .addOption(flagOf(SCORE_OPTIONS, 'queue', { placeholder: '<url>' }))
    .addOption(flagOf(SCORE_OPTIONS, 'shard', { placeholder: '<I/N>', parse: parseShard }))
    .option('--json', 'progress and summary as JSON lines', false)
  addFlags(command, SCORE_OPTIONS, NAMES)
  addDetectOptions(command)
  addDetectorOptions(command).action((sources: string[], flags: ScoreFlags) =>
    flags.status === undefined ? run(sources, flags, signal) : status(flags.status, flags.json),
  )
}

/** `3/16`, from 0; `auto/16` takes the index that Kubernetes or Slurm tells. */
function parseShard(text: string): ShardChoice {
  const match = /^(\d{1,7}|auto)\/(\d{1,7})$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Expected I/N, such as 0/16, or auto/16.')
  if (match[1] !== 'auto') return { index: Number(match[1]), count: Number(match[2]) }
  const index = INDEX_VARIABLES.map((name) => process.env[name]).find((value) => value !== undefined)
  if (index === undefined || !/^\d{1,7}$/.test(index)) {
    throw new InvalidArgumentError(`Expected an index in ${INDEX_VARIABLES.join(' or ')} for auto.`)
  }
  return { index: Number(index), count: Number(match[2]) }
}

async function run(sources: readonly string[], flags: ScoreFlags, signal: AbortSignal): Promise<void> {
  const { out, json, model } = flags
  if (sources.length === 0 || out === undefined) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      'Give pictures and where results go: efficientdet score photos --out scores.',
    )
  }
  const bar = new ProgressBar('{value}/{total} pictures, {phase}')
  const show = (progress: ScoreProgress) => {
    if (json) printJson({ type: 'progress', ...progress })
    else bar.update(progress.pictures, progress.total, described(progress))
  }
  try {
    const summary = await score({
      ...given(flags, [...NAMES, 'shard', 'queue']),
      model,
      sources,
      out,
      load: await loadOptionsOf(flags),
      detect: detectOptionsOf(flags),
      onProgress: show,
      signal,
    })
    bar.end()
    tell(summary, out, json)
  } finally {
    bar.end()
  }
}

function described({ rate, eta, errors, isListed }: ScoreProgress): string {
  const left = eta === null ? (isListed ? '' : ', still listing') : `, ${Math.ceil(eta)} s left`
  return `${rate.toFixed(1)}/s${left}${errors === 0 ? '' : `, ${errors} failed`}`
}

function tell(summary: ScoreSummary, out: string, json: boolean): void {
  const { pictures, skipped, errors, isComplete, seconds } = summary
  if (json) printJson({ type: 'summary', ...summary })
  else {
    const rate = seconds > 0 ? ` (${((pictures - skipped) / seconds).toFixed(1)}/s)` : ''
    print(
      `${pictures} pictures in ${out}, ${pictures - skipped} of them now, in ${seconds.toFixed(1)} s${rate}`,
    )
    if (!isComplete) print('Other shards of this run are not done yet.')
    if (errors > 0)
      printError(
        `${errors} cannot be scored: see errors${isComplete ? '.jsonl' : ''} there. --retry-errors tries them again.`,
      )
  }
  if (errors > 0) process.exitCode = SOME_FAILED
}

async function status(out: string, json: boolean): Promise<void> {
  const status = await scoreStatus(out)
  if (json) return printJson(status)
  const { model, format, done, shards, pictures, errors } = status
  print(out)
  printFacts({
    model,
    format,
    shards: `${done} of ${shards ?? 'a number that is not known yet'} done`,
    pictures: String(pictures ?? 'still listed'),
    errors: String(errors),
  })
}
