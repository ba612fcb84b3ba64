import { EfficientDetError } from '../../base/errors.js'
import { comparedParameters } from '../../engines/self-test/comparison.js'
import { testImages } from '../../engines/self-test/images.js'
import {
  type SelfTestFigures,
  SelfTestRun,
  type TestBatch,
  testBatches,
} from '../../engines/self-test/run.js'
import type { ModelSpec } from '../../models/spec.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import { onAbort, untilAborted } from '../../threads/abort.js'
import { Deadline } from '../../threads/deadline.js'
import type { NativeEngine, NativeResult } from './addon.js'
import { toNative, toResult } from './engine.js'
import { nativeError } from './native-error.js'

export interface SelfTestRequest {
  readonly spec: ModelSpec
  /** Batches that the engine is tuned for, ascending. */
  readonly profileBatchSizes: readonly number[]
  /** The largest batch that will run. */
  readonly maxBatchSize: number
  readonly contexts: number
  /** Reference detections of the test's images; null where nobody knows them. */
  readonly expected: readonly DetectionArrays[] | null
  /** Milliseconds after which a batch that is not answered is given up. */
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: (fraction: number) => void
}

/** A backend that does not answer. Its engine is not closed: that would wait for it. */
export class NoResponse extends EfficientDetError {}

/**
 * Runs the test's batches in all contexts of an engine, at the same time, before anything else runs there.
 *
 * @throws EfficientDetError ERR_ENGINE with the fault `wrong`; ERR_ENGINE_LOST if the backend does not answer;
 *   ERR_DEVICE_LOST, ERR_OUT_OF_MEMORY; the signal's reason
 */
export async function selfTest(engine: NativeEngine, request: SelfTestRequest): Promise<SelfTestFigures> {
  const { spec, profileBatchSizes, maxBatchSize, contexts, expected, signal, onProgress } = request
  onProgress(0)
  const frames = await testImages()
  const testRun = new SelfTestRun(expected)
  signal?.throwIfAborted()
  const batches = testBatches(profileBatchSizes, maxBatchSize, frames.length)
  const parameters = toNative(comparedParameters(spec.architecture.classes))
  const { width, height } = frames[0]
  const deadline = new Deadline(request.deadline)
  const interruption = new AbortController()
  let hasEnded = false
  let begun = 0
  let done = 0

  const run = async (context: number, batch: TestBatch): Promise<(DetectionArrays | string)[]> => {
    const id = 1 + maxBatchSize * begun++
    const onLate = () =>
      interruption.abort(
        new NoResponse(
          'ERR_ENGINE_LOST',
          `The backend did not answer a batch of the engine's self-test within ${deadline.limit} ms and is taken for dead. Restart the process; raise inferenceDeadline if it is only slow.`,
        ),
      )
    deadline.begin(onLate)
    try {
      const data = batch.map((image) => frames[image].data as Uint8Array)
      const promises = engine.submitTo(context, id, data, width, height, ...parameters)
      const outcomes = await untilAborted(Promise.allSettled(promises), interruption.signal)
      return outcomes.map(outcomeOf)
    } finally {
      deadline.end(onLate)
    }
  }
  const runContext = async (context: number): Promise<void> => {
    for (const batch of batches) {
      if (hasEnded) return
      testRun.add(context, batch, await run(context, batch))
      onProgress(++done / (contexts * batches.length))
    }
  }
  const stopListening = onAbort(signal, () => interruption.abort(signal!.reason))
  try {
    await Promise.all(Array.from({ length: contexts }, (_, context) => runContext(context)))
  } finally {
    hasEnded = true
    stopListening()
  }
  return testRun.figures()
}

/** What was found, or what the backend said about this frame instead. @throws EfficientDetError where no frame would do */
function outcomeOf(outcome: PromiseSettledResult<NativeResult>): DetectionArrays | string {
  if (outcome.status === 'fulfilled') return toResult(outcome.value).detections
  const error = nativeError(outcome.reason, "The engine's self-test did not run")
  if (error.code !== 'ERR_INFERENCE') throw error
  return (outcome.reason as Error).message
}
