import { type Answer, COMPARED } from '../../engines/agreement.js'
import type { Frame } from '../../image/frame.js'
import { checkDetectOptions } from '../../options/detect.js'
import { cpu } from './cpu.js'
import type { CpuRequest } from './engine.js'

/**
 * What the CPU backend finds in the pictures that engines are tested with.
 *
 * @throws EfficientDetError where it cannot run; the signal's reason, at once
 */
export async function testAnswers(request: CpuRequest, frames: readonly Frame[]): Promise<Answer[]> {
  const { signal } = request
  const engine = await cpu.open(request)
  try {
    const selection = checkDetectOptions(COMPARED, engine.spec)
    const answers: Answer[] = []
    for (const frame of frames) answers.push((await engine.detect(frame, selection, signal)).detections)
    return answers
  } finally {
    const closed = engine.close()
    if (!signal?.aborted) await closed
  }
}
