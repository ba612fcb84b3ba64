import { describe, expect, it } from 'vitest'
import { geometryOf, hasKernels } from '../helpers/kernels.js'
import { above, bell, expectSame, outputOf, PARAMETERS } from '../helpers/network-outputs.js'
import { random } from '../helpers/random.js'

describe.skipIf(!hasKernels)('the detections kernels are the reference', () => {
  it('for D7x, whose 39.8 million logits are scanned', async () => {
    const rng = random(8)
    const input = { width: 1536, height: 1536 }
    const output = outputOf(
      input,
      90,
      () => 4 * bell(rng) - 9,
      () => bell(rng) / 2,
      8,
    )
    expect(output.anchors.length / 4).toBe(442_260)
    const geometry = geometryOf({ width: 1920, height: 1080 }, input)
    for (const threshold of [0.5, 0.001]) {
      const parameters = { ...PARAMETERS, ...above(threshold) }
      await expectSame([{ output, parameters, geometry }])
    }
  })

  it('for more candidates than are compared each with each at a time', async () => {
    const rng = random(15)
    const output = outputOf(
      { width: 256, height: 256 },
      2,
      () => bell(rng),
      (i) => (i % 4 < 2 ? 0 : -1.5 + bell(rng)),
    )
    const wishes = [
      { preNmsTopK: 20_000, maxDetections: 9000 },
      // The limit is reached in the second of three chunks.
      { preNmsTopK: 20_000, maxDetections: 1500, nms: 'agnostic' as const },
      { preNmsTopK: 9000, maxDetections: 20 },
    ]
    await expectSame(
      wishes.map((wish) => ({
        output,
        parameters: { ...PARAMETERS, ...above(0.01, 2), ...wish },
        geometry: { width: 256, height: 256, scale: 1 },
      })),
      { candidates: 20_000, detections: 9000 },
      ['float32'],
    )
  })
})
