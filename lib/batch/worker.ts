import type { Job } from 'bullmq'
import { EfficientDet } from '../api/detector.js'
import { EfficientDetError, isOfOneImage } from '../base/errors.js'
import { checkWorkOptions, type WorkOptions } from '../options/batch.js'
import type { LoadOptions } from '../options/load.js'
import { onAbort } from '../threads/abort.js'
import { withResolvers } from '../threads/with-resolvers.js'
import { FORMATS } from './formats.js'
import { openStorage } from './open-storage.js'
import { bullmq, connect, QUEUE, type ShardJob } from './queue.js'
import { identityOf, type RunRecord, readRecord } from './record.js'
import { scoreShards } from './score-shards.js'
import { ShardWriter } from './shard-writer.js'

/** Milliseconds for which a job is a worker's without a sign of life, and between looks for dead ones' jobs. */
const LOCK = 10_000
const STALLED_INTERVAL = 5_000

/** Deaths of workers that a job outlives: it is never the job's fault. */
const MAX_DEATHS = 1000

/**
 * Scores shards that `score` with `queue` puts into Redis, of any run, until the signal aborts; a shard under way then
 * goes back.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_RUN where the server does not answer, ERR_PACKAGE_FILE
 */
export async function work(options: WorkOptions): Promise<void> {
  const { queue: url, load, onShard, signal = new AbortController().signal } = checkWorkOptions(options)
  signal.throwIfAborted()
  const { Worker, WaitingError } = await bullmq()
  using connection = await connect(url, signal)
  await using detectors = new Detectors(load)
  const process = async (job: Job<ShardJob>, token?: string) => {
    try {
      await scoreShard(job.data, detectors, signal)
      onShard(job.data)
    } catch (error) {
      if (signal.aborted) {
        await job.moveToWait(token)
        throw new WaitingError()
      }
      // What was lost with its engine is loaded anew.
      if (!isOfOneImage(error)) await detectors.forget()
      throw error
    }
  }
  const worker = new Worker<ShardJob>(QUEUE, process, {
    connection,
    lockDuration: LOCK,
    stalledInterval: STALLED_INTERVAL,
    maxStalledCount: MAX_DEATHS,
    autorun: false,
  })
  // The client tries again by itself.
  worker.on('error', () => {})
  const leaving = withResolvers<void>()
  const stopListening = onAbort(signal, () => leaving.resolve())
  try {
    void worker.run().catch(() => {})
    await leaving.promise
  } finally {
    stopListening()
    await worker.close()
  }
}

async function scoreShard(
  { out, shard, retryErrors }: ShardJob,
  detectors: Detectors,
  signal: AbortSignal,
): Promise<void> {
  const storage = await openStorage(out)
  const record = await readRecord(storage)
  if (record === null) throw new EfficientDetError('ERR_RUN', `${storage.title} holds no run.`)
  await FORMATS[record.format].checkPackages()
  const writer = new ShardWriter(storage, record.format, retryErrors)
  if (await writer.isDone(shard)) return
  const detector = await detectors.of(record, signal)
  async function* shards() {
    yield shard
  }
  await scoreShards({
    detector,
    storage,
    writer,
    shards: shards(),
    detect: record.detect,
    maxInFlight: null,
    signal,
    onPicture: () => {},
    onShard: () => {},
  })
}

/** The detector of the run that was last worked on. */
class Detectors implements AsyncDisposable {
  readonly #load: LoadOptions
  #key = ''
  #detector: EfficientDet | null = null

  constructor(load: LoadOptions) {
    this.#load = load
  }

  /** @throws EfficientDetError ERR_RUN where this machine has another model of that name */
  async of({ model, modelSha256, load }: RunRecord, signal: AbortSignal): Promise<EfficientDet> {
    const key = JSON.stringify([model, modelSha256, load])
    if (this.#detector !== null && this.#key === key) return this.#detector
    await this.forget()
    const own = await identityOf(model, signal)
    if (own.modelSha256 !== modelSha256) {
      throw new EfficientDetError(
        'ERR_RUN',
        `The file of the model ${model} is another one here than where the run began (SHA-256 ${own.modelSha256}, there ${modelSha256}).`,
      )
    }
    const engine = { ...load.engine, ...this.#load.engine }
    this.#detector = await EfficientDet.load(model, { ...load, ...this.#load, engine, signal })
    this.#key = key
    return this.#detector
  }

  async forget(): Promise<void> {
    const detector = this.#detector
    this.#detector = null
    await detector?.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.forget()
  }
}
