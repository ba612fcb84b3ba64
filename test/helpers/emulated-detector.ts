import { expect } from 'vitest'
import { type DetectionResult, EfficientDet, type Frame, type LoadOptions } from '#lib/index.js'
import { EMULATED } from './emulated.js'

/** What both backends were asked: much is found. */
export const OPTIONS = { scoreThreshold: 0.2 }

/** The network's answers are the CPU's own, so what may differ is the last bit of exp. */
export function expectSame(result: DetectionResult, reference: DetectionResult): void {
  const { detections, capped, width, height } = result
  expect({ width, height }).toEqual({ width: reference.width, height: reference.height })
  expect(capped).toEqual(reference.capped)
  expect(detections).toHaveLength(reference.detections.length)
  for (const [i, { classId, score, box }] of reference.detections.entries()) {
    expect(detections[i].classId).toBe(classId)
    expect(Math.abs(detections[i].score - score)).toBeLessThan(1e-6)
    for (const side of [0, 1, 2, 3]) {
      expect(Math.abs(detections[i].box[side] - box[side])).toBeLessThan(1e-3)
    }
  }
}

export async function onCpu(frames: readonly Frame[], side: number): Promise<DetectionResult[]> {
  const detector = await EfficientDet.load('person', { backend: 'cpu', inputSize: side })
  const results: DetectionResult[] = []
  for (const frame of frames) results.push(await detector.detect(frame, OPTIONS))
  await detector.dispose()
  return results
}

/** A detector on the emulated device for frames that its network knows. */
export async function load(path: string, options: LoadOptions = {}): Promise<EfficientDet> {
  return EfficientDet.load(path, { ...EMULATED, ...options })
}
