import { comparedParameters } from '../../engines/self-test/comparison.js'
import type { Frame } from '../../image/frame.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import { cpu } from './cpu.js'
import type { CpuRequest } from './engine.js'

/**
 * What the CPU backend finds in the pictures that engines are tested with.
 *
 * @throws EfficientDetError where it cannot run; the signal's reason, at once
 */
export async function referenceDetections(
  request: CpuRequest,
  frames: readonly Frame[],
): Promise<DetectionArrays[]> {
  const { signal } = request
  const engine = await cpu.open(request)
  try {
    const parameters = comparedParameters(engine.spec.architecture.classes)
    const answers: DetectionArrays[] = []
    for (const frame of frames) answers.push((await engine.detect(frame, parameters, signal)).detections)
    return answers
  } finally {
    const closed = engine.close()
    if (!signal?.aborted) await closed
  }
}
