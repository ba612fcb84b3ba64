import { availableProcessors } from '../../base/available-processors.js'
import { comparedParameters } from '../../engines/self-test/comparison.js'
import type { DetectionArrays } from '../../postprocess/detections.js'
import type { ReferenceDetector } from '../backend.js'
import { unavailableError } from '../unavailable.js'
import { cpu } from './cpu.js'

/** What the CPU backend finds: in float32, by the reference implementation of everything around the network. */
export const detectReference: ReferenceDetector = async (model, images) => {
  const { signal } = model
  const opening = await cpu.open({ ...model, threads: availableProcessors(), onStage: () => {} })
  if ('unavailable' in opening) throw unavailableError('cpu', opening.unavailable)
  const { engine } = opening
  try {
    const parameters = comparedParameters(engine.spec.architecture.classes)
    const found: DetectionArrays[] = []
    for (const image of images) found.push((await engine.detect(image, parameters, { signal })).detections)
    return found
  } finally {
    const closed = engine.close()
    if (!signal?.aborted) await closed
  }
}
