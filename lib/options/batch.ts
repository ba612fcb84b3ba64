import { MAX_SHARD_SIZE } from '../base/limits.js'
import { checkInteger, checkNames, checkPath, invalidOption } from './checks.js'
import { SIGNAL } from './common.js'
import type { DetectOptions } from './detect.js'
import type { LoadOptions } from './load.js'
import {
  byDefault,
  callback,
  checkOptions,
  choice,
  flag,
  integer,
  type OptionsOf,
  other,
  type Settings,
} from './option.js'

/** How results are written: JSON lines, Parquet tables, or COCO's results. */
const BATCH_FORMATS = ['jsonl', 'parquet', 'coco'] as const
export type BatchFormat = (typeof BATCH_FORMATS)[number]

/** Which part of a run's shards a machine does: those whose number modulo `count` is `index`, from 0. */
export interface ShardChoice {
  readonly index: number
  readonly count: number
}

/** How far a run is. */
export interface ScoreProgress {
  /** Pictures that are done, those of earlier starts included, and all that are known. */
  readonly pictures: number
  readonly total: number
  /** Whether `total` is final. */
  readonly isListed: boolean
  readonly errors: number
  /** Pictures a second, of this start. */
  readonly rate: number
  /** Seconds that are left; null while it is not known. */
  readonly eta: number | null
}

export interface ScoreOptions {
  /** A model as `EfficientDet.load` takes it. Defaults to `person`. */
  readonly model?: string
  /** Folders, glob patterns, pictures, lists (`.txt`), manifests (`.jsonl`), tar archives, `s3://` prefixes, `-`. */
  readonly sources: readonly string[]
  /** Folder, or `s3://` prefix, of the results. */
  readonly out: string
  /** Defaults to `jsonl`. */
  readonly format?: BatchFormat
  /** Pictures of a shard, which is what a crash does again; 1…100000. Defaults to 1000. */
  readonly shardSize?: number
  /** The part that this machine does. Defaults to all. */
  readonly shard?: ShardChoice
  /** Whether shards with errors are done anew. Defaults to false. */
  readonly retryErrors?: boolean
  /** Images that are read or worked on at the same time; 1…1000. Defaults to what `stream` has. */
  readonly maxInFlight?: number
  /** URL of a Redis server, through which workers on any machine score the shards. Defaults to none: this process does. */
  readonly queue?: string
  readonly load?: Omit<LoadOptions, 'signal' | 'onProgress'>
  readonly detect?: Omit<DetectOptions, 'signal'>
  readonly onProgress?: (progress: ScoreProgress) => void
  readonly signal?: AbortSignal
}

const ANY_OBJECT = (name: string, value: unknown) => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw invalidOption(name, value, 'an object')
}

export const SCORE_OPTIONS = {
  model: other('the model', checkPath, byDefault<string>('person')),
  sources: other('the pictures', checkSources, byDefault<readonly string[]>([])),
  out: other('folder or s3:// prefix of the results', checkPath, byDefault<string>('', '')),
  format: choice('how results are written', BATCH_FORMATS, byDefault('jsonl')),
  shardSize: integer('pictures of a shard', 1, MAX_SHARD_SIZE, byDefault<number>(1000)),
  shard: other(
    'the part that this machine does',
    checkShard,
    byDefault<ShardChoice>({ index: 0, count: 1 }, 'all'),
  ),
  retryErrors: flag('do shards with errors anew', false),
  maxInFlight: integer('images at the same time', 1, 1000, byDefault(null, 'what streams have')),
  queue: other(
    'URL of a Redis server, for workers on any machine',
    checkQueue,
    byDefault<string | null>(null, 'none'),
  ),
  // Checked by what takes them.
  load: other('how the model is loaded', ANY_OBJECT, byDefault<object>({}, '')),
  detect: other('what is found', ANY_OBJECT, byDefault<object>({}, '')),
  onProgress: callback<(progress: ScoreProgress) => void>('called as the run goes on'),
  signal: SIGNAL,
} satisfies OptionsOf<ScoreOptions>

export type ScoreSettings = Omit<Settings<typeof SCORE_OPTIONS>, 'load' | 'detect'> &
  Required<Pick<ScoreOptions, 'load' | 'detect'>>

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkScoreOptions(options: ScoreOptions): ScoreSettings {
  const settings = checkOptions('the score options', options, SCORE_OPTIONS)
  if (settings.sources.length === 0) throw invalidOption('sources', options.sources, 'a list of one or more')
  if (settings.out === '') throw invalidOption('out', options.out, 'a folder or s3:// prefix')
  return settings
}

/** What a worker takes. */
export interface WorkOptions {
  /** URL of a Redis server: `redis://user:password@host:6379`. */
  readonly queue: string
  /** How models are loaded here: threads, backend, GPUs. What changes results is the run's. */
  readonly load?: Pick<
    LoadOptions,
    | 'backend'
    | 'backendLibrary'
    | 'libraryPath'
    | 'threads'
    | 'device'
    | 'contexts'
    | 'maxBatchSize'
    | 'engine'
  >
  /** Called when a shard is written. */
  readonly onShard?: (shard: { readonly out: string; readonly shard: number }) => void
  /** Ends the worker. */
  readonly signal?: AbortSignal
}

export const WORK_OPTIONS = {
  queue: other('URL of a Redis server', checkQueue, byDefault<string>('', '')),
  load: other('how models are loaded here', ANY_OBJECT, byDefault<object>({}, '')),
  onShard: callback<NonNullable<WorkOptions['onShard']>>('called when a shard is written'),
  signal: SIGNAL,
} satisfies OptionsOf<WorkOptions>

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkWorkOptions(options: WorkOptions) {
  const settings = checkOptions('the work options', options, WORK_OPTIONS)
  return { ...settings, queue: checkQueue('queue', settings.queue), load: settings.load as LoadOptions }
}

function checkQueue(name: string, value: unknown): string {
  if (typeof value === 'string' && /^rediss?:\/\/./.test(value) && URL.canParse(value)) return value
  throw invalidOption(name, value, 'the URL of a Redis server, such as redis://127.0.0.1:6379')
}

function checkSources(name: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length > 0)
    return value.map((source, i) => checkPath(`${name}[${i}]`, source))
  throw invalidOption(name, value, 'a list of one or more')
}

function checkShard(name: string, value: unknown): ShardChoice {
  checkNames(name, value, ['index', 'count'])
  const { index, count } = Object(value)
  const checkedCount = checkInteger(`${name}.count`, count, 1, 1_000_000)
  return { index: checkInteger(`${name}.index`, index, 0, checkedCount - 1), count: checkedCount }
}
