import { resolve } from 'node:path'
import { EfficientDetError } from '../base/errors.js'
import type { ScoreSettings } from '../options/batch.js'
import { onAbort, untilAborted } from '../threads/abort.js'
import type { Manifest } from './manifest.js'
import type { Meter } from './meter.js'
import { bullmq, connect, jobId, QUEUE, type ShardJob } from './queue.js'
import { s3Location } from './s3.js'
import type { ShardWriter } from './shard-writer.js'

/** Jobs that are put in together. */
const TOGETHER = 500

/** Milliseconds without news after which all is looked at anew: Redis may have lost jobs, and news. */
const SILENCE = 5_000

/** Tries of a shard that fails as a whole, with growing pauses from a second on. */
const ATTEMPTS = 5

interface Work {
  readonly url: string
  readonly settings: ScoreSettings
  readonly manifest: Manifest
  readonly writer: ShardWriter
  readonly meter: Meter
  readonly signal: AbortSignal
}

/**
 * Has workers score the shards of a run. What lies in the destination tells what is done; the queue only carries
 * work, and may be lost.
 *
 * @throws EfficientDetError ERR_RUN where the queue does not answer, or a shard fails for good
 */
export async function scoreOnQueue({ url, settings, manifest, writer, meter, signal }: Work): Promise<void> {
  const { Queue, QueueEvents } = await bullmq()
  using connection = await connect(url, signal)
  const queue = new Queue<ShardJob>(QUEUE, { connection })
  const events = new QueueEvents(QUEUE, { connection })
  // Told by silence.
  queue.on('error', () => {})
  events.on('error', () => {})
  const out = s3Location(settings.out) === null ? resolve(settings.out) : settings.out
  const pending = new Map<string, number>()
  let failure: EfficientDetError | null = null
  let wake = () => {}
  const heard: string[] = []
  events.on('completed', ({ jobId }) => {
    if (!pending.has(jobId)) return
    heard.push(jobId)
    wake()
  })
  events.on('failed', ({ jobId, failedReason }) => {
    const shard = pending.get(jobId)
    if (shard === undefined) return
    failure = new EfficientDetError('ERR_RUN', `Shard ${shard} failed ${ATTEMPTS} times: ${failedReason}`)
    wake()
  })
  const stopListening = onAbort(signal, () => wake())

  const put = (shards: readonly number[]) =>
    queue.addBulk(
      shards.map((shard) => ({
        name: 'shard',
        data: { out, shard, retryErrors: settings.retryErrors },
        opts: {
          jobId: jobId(out, shard),
          attempts: ATTEMPTS,
          backoff: { type: 'exponential', delay: 1000 },
          // An id that is kept could not be put in again.
          removeOnComplete: true,
          removeOnFail: true,
        },
      })),
    )
  const settle = async (id: string, isDone: (shard: number) => Promise<boolean>) => {
    const shard = pending.get(id)
    if (shard === undefined || !(await isDone(shard))) return
    pending.delete(id)
    meter.countShard(manifest.sizeOf(shard), await writer.countErrors(shard))
  }

  try {
    await untilAborted(events.waitUntilReady(), signal)
    let batch: number[] = []
    for (let shard = manifest.part.index; await manifest.isListed(shard); shard += manifest.part.count) {
      if (await writer.isDone(shard)) meter.skip(manifest.sizeOf(shard), await writer.countErrors(shard))
      else {
        pending.set(jobId(out, shard), shard)
        batch.push(shard)
      }
      if (batch.length === TOGETHER) {
        await put(batch)
        batch = []
      }
    }
    if (batch.length > 0) await put(batch)
    while (pending.size > 0) {
      signal.throwIfAborted()
      if (failure !== null) throw failure
      const id = heard.shift()
      if (id !== undefined) {
        // A worker has said so: errors that were tried again may be there still.
        await settle(id, (shard) => writer.hasOutput(shard))
        continue
      }
      const timer = setTimeout(() => wake(), SILENCE)
      await new Promise<void>((resolve) => (wake = resolve))
      clearTimeout(timer)
      if (heard.length > 0 || failure !== null || signal.aborted) continue
      for (const silent of [...pending.keys()]) await settle(silent, (shard) => writer.isDone(shard))
      const left = [...pending.values()]
      for (let i = 0; i < left.length; i += TOGETHER) await put(left.slice(i, i + TOGETHER))
    }
  } finally {
    stopListening()
    await Promise.allSettled([queue.close(), events.close()])
  }
}
