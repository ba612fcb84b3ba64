import { describe, expect, it } from 'vitest'
import { writeYuv, YUV_MATRICES, YUV_RANGES, yuvCoefficients } from '#lib/image/yuv.js'
import { coloursCall, hasKernels, runKernels } from '../helpers/kernels.js'

describe.skipIf(!hasKernels)('the preprocessing kernel', () => {
  it.each(YUV_MATRICES.flatMap((matrix) => YUV_RANGES.map((range) => [matrix, range] as const)))(
    'gives every colour of %s in %s range as the reference does',
    async (matrix, range) => {
      const [all] = await runKernels([coloursCall(matrix, range)])
      const coefficients = yuvCoefficients(matrix, range)
      const reference = new Uint8Array(all.length)
      let at = 0
      for (let v = 0; v < 256; v++) {
        for (let u = 0; u < 256; u++) {
          for (let y = 0; y < 256; y++, at += 3) writeYuv(reference, at, coefficients, y, u, v)
        }
      }
      expect(Buffer.compare(all, reference)).toBe(0)
    },
  )
})
