import { type DetectionResult, EfficientDet, type Frame, type LoadOptions } from '#lib/index.js'
import { PERSON } from '../../test/helpers/cli.js'
import { EMULATED, engineThatKnows, formatOf, frameOf } from '../../test/helpers/emulated.js'

/** What both backends are asked: much is found. */
export const OPTIONS = { scoreThreshold: 0.2 }

/** The package on the stand-in for TensorRT: pictures of all formats, which it knows, and what the CPU finds in them. */
export interface Known {
  readonly frames: readonly Frame[]
  readonly references: readonly DetectionResult[]
  readonly engine: string
}

/** @param kinds pictures, each of another size, in one format after the other */
export async function known(kinds: number, side: number, maxBatchSize: number): Promise<Known> {
  const frames = await Promise.all(
    Array.from({ length: kinds }, (_, i) => frameOf(PERSON, formatOf(i), side - 31 + 13 * i)),
  )
  const cpu = await EfficientDet.load('person', { backend: 'cpu', inputSize: side })
  const references: DetectionResult[] = []
  for (const frame of frames) references.push(await cpu.detect(frame, OPTIONS))
  await cpu.dispose()
  return { frames, references, engine: await engineThatKnows(frames, { side, maxBatchSize }) }
}

export function loadKnown({ engine }: Known, options: LoadOptions = {}): Promise<EfficientDet> {
  return EfficientDet.load(engine, { ...EMULATED, ...options })
}

/** How a result differs from the reference, or null: the network's answers are the same, so but for the last bit of exp. */
export function differenceOf(result: DetectionResult, reference: DetectionResult): string | null {
  const [found, expected] = [result, reference].map(({ detections }) => detections)
  if (found.length !== expected.length) return `${found.length} detections instead of ${expected.length}`
  for (const [i, { classId, score, box }] of expected.entries()) {
    if (found[i].classId !== classId) return `class ${found[i].classId} instead of ${classId}`
    const differences = [1e3 * (found[i].score - score), ...box.map((side, k) => found[i].box[k] - side)]
    if (!differences.every((each) => Math.abs(each) < 1e-3)) {
      return `${JSON.stringify(found[i])} instead of ${JSON.stringify(expected[i])}`
    }
  }
  return null
}
