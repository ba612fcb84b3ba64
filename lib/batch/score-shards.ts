import type { EfficientDet } from '../api/detector.js'
import type { DetectOptions } from '../options/detect.js'
import type { Entry } from './entry.js'
import type { Scored } from './formats.js'
import { readShard } from './manifest.js'
import type { Failed, ShardWriter } from './shard-writer.js'
import { sourceOf } from './sources.js'
import type { Storage } from './storage.js'

interface Work {
  readonly detector: EfficientDet
  readonly storage: Storage
  readonly writer: ShardWriter
  /** Numbers of the shards to do. */
  readonly shards: AsyncIterable<number>
  readonly detect: DetectOptions
  readonly maxInFlight: number | null
  readonly signal: AbortSignal
  readonly onPicture: (hasFailed: boolean) => void
  readonly onShard: (shard: number) => void
}

/** A shard of which pictures are under way. */
interface OpenShard {
  readonly shard: number
  readonly entries: readonly Entry[]
  readonly scored: Scored[]
  readonly failed: Failed[]
}

/**
 * Scores shards in one stream, so that none waits for the last pictures of the one before; each is written while the
 * next is scored.
 */
export async function scoreShards(work: Work): Promise<void> {
  const { detector, storage, writer, shards, detect, maxInFlight, signal, onPicture, onShard } = work
  async function* items() {
    for await (const shard of shards) {
      const entries = await readShard(storage, shard)
      const open: OpenShard = { shard, entries, scored: [], failed: [] }
      for (const [number, entry] of entries.entries()) {
        yield { source: sourceOf(entry, signal), context: { open, number } }
      }
    }
  }
  const options = {
    ...detect,
    ...(maxInFlight !== null && { maxInFlight }),
    onError: 'yield',
    signal,
  } as const
  let writing: Promise<void> = Promise.resolve()
  try {
    for await (const outcome of detector.stream(items(), options)) {
      const { open, number } = outcome.context
      const { shard, entries, scored, failed } = open
      const entry = entries[number]
      if ('error' in outcome) failed.push({ entry, error: outcome.error })
      else {
        const { width, height, detections, warnings } = outcome
        scored.push({ entry, number, result: { width, height, detections, warnings } })
      }
      onPicture('error' in outcome)
      if (scored.length + failed.length < entries.length) continue
      await writing
      writing = writer.write(shard, scored, failed).then(() => onShard(shard))
      // Told when it is awaited.
      writing.catch(() => {})
    }
    await writing
  } finally {
    await writing.catch(() => {})
  }
}
