import { EfficientDet } from '../api/detector.js'
import { checkScoreOptions, type ScoreOptions, type ScoreSettings } from '../options/batch.js'
import { checkSize } from '../options/checks.js'
import { mergeErrors } from './errors-file.js'
import { FORMATS } from './formats.js'
import { Manifest } from './manifest.js'
import { Meter } from './meter.js'
import { openStorage } from './open-storage.js'
import { identityOf, openRun, type RunRecord } from './record.js'
import { scoreOnQueue } from './score-on-queue.js'
import { scoreShards } from './score-shards.js'
import { ShardWriter } from './shard-writer.js'
import { entriesOf } from './sources.js'

/** What a start of a run came to. */
export interface ScoreSummary {
  /** Pictures of this machine's part, and those of them that cannot be scored. */
  readonly pictures: number
  readonly errors: number
  /** Pictures that an earlier start had done. */
  readonly skipped: number
  /** Whether all shards are done, those of other machines too. */
  readonly isComplete: boolean
  readonly seconds: number
}

/**
 * Scores pictures into files, shard by shard. A shard's file is there whole or not at all.
 *
 * A run that ended early, however it did, goes on where it was when it is started again.
 *
 * A picture that cannot be scored is in `errors.jsonl` and stops nothing.
 *
 * @throws EfficientDetError ERR_RUN where the destination holds another run, or one is under way there; ERR_SOURCES,
 *   ERR_OUTPUT; what `EfficientDet.load` and `stream` throw; the signal's reason
 */
export async function score(options: ScoreOptions): Promise<ScoreSummary> {
  const settings = checkScoreOptions(options)
  const { out, shard, format, retryErrors, load, detect, maxInFlight, queue, onProgress } = settings
  const signal = settings.signal ?? new AbortController().signal
  signal.throwIfAborted()
  const begun = performance.now()
  await FORMATS[format].checkPackages()
  const storage = await openStorage(out)
  await using _ = await storage.claim(`running-${shard.index}-of-${shard.count}`)
  await openRun(storage, await recordOf(settings))
  // Listing ends with the work, whatever ends that.
  const controller = new AbortController()
  const manifest = new Manifest(storage, settings.shardSize, shard)
  const listing = manifest.write(entriesOf(settings.sources, AbortSignal.any([signal, controller.signal])))
  try {
    const writer = new ShardWriter(storage, format, retryErrors)
    const meter = new Meter(manifest, onProgress)
    if (queue !== null) await scoreOnQueue({ url: queue, settings, manifest, writer, meter, signal })
    else {
      await using detector = await EfficientDet.load(settings.model, { ...load, signal })
      const shards = shardsToDo(manifest, writer, meter)
      const onPicture = (hasFailed: boolean) => meter.count(hasFailed)
      const onShard = () => meter.commit()
      await scoreShards({
        detector,
        storage,
        writer,
        shards,
        detect,
        maxInFlight,
        signal,
        onPicture,
        onShard,
      })
    }
    const isComplete = await mergeErrors(storage, manifest.shards, writer)
    return { ...meter.totals, isComplete, seconds: (performance.now() - begun) / 1000 }
  } finally {
    controller.abort()
    await listing
  }
}

/** Numbers of this machine's shards, as they are listed, that no start before has done. */
async function* shardsToDo(manifest: Manifest, writer: ShardWriter, meter: Meter): AsyncGenerator<number> {
  for (let shard = manifest.part.index; await manifest.isListed(shard); shard += manifest.part.count) {
    if (await writer.isDone(shard)) meter.skip(manifest.sizeOf(shard), await writer.countErrors(shard))
    else yield shard
  }
}

/** Options that change no result. */
const IRRELEVANT = new Set(
  [
    'backend',
    'backendLibrary',
    'libraryPath',
    'threads',
    'device',
    'contexts',
    'maxBatchSize',
    'maxBatchDelay',
  ].concat(['inferenceDeadline', 'maxPending', 'maxPendingBytes', 'whenFull']),
)

async function recordOf({
  format,
  shardSize,
  model,
  load,
  detect,
  signal,
}: ScoreSettings): Promise<RunRecord> {
  const { engine, inputSize, ...others } = load
  const relevant = Object.entries(others).filter(
    ([name, value]) => !IRRELEVANT.has(name) && value !== undefined,
  )
  return {
    format,
    shardSize,
    ...(await identityOf(model, signal)),
    load: {
      ...Object.fromEntries(relevant),
      // One form of what can be given in two.
      ...(inputSize !== undefined && { inputSize: checkSize('inputSize', inputSize) }),
      ...(engine?.precision !== undefined && { engine: { precision: engine.precision } }),
    },
    detect: detect as RunRecord['detect'],
  }
}
