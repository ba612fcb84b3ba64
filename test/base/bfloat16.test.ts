import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { bfloat16ToFloat32, float32ToBfloat16 } from '#lib/base/bfloat16.js'
import { elementTypeId, serializeModel } from '#lib/graph/onnx.js'
import { random } from '../helpers/random.js'

/** float32 → bfloat16 → float32 as onnxruntime rounds. */
async function throughOnnxruntime(values: Float32Array): Promise<Float32Array> {
  const cast = (name: string, input: string, output: string, type: 'bfloat16' | 'float32') => ({
    name,
    op: 'Cast',
    inputs: [input],
    outputs: [output],
    attributes: { to: elementTypeId(type) },
  })
  const model = serializeModel(
    {
      name: 'cast',
      nodes: [cast('down', 'x', 'short', 'bfloat16'), cast('up', 'short', 'y', 'float32')],
      initializers: [],
      inputs: [{ name: 'x', type: 'float32', dims: [values.length] }],
      outputs: [{ name: 'y', type: 'float32', dims: [values.length] }],
    },
    '0',
  )
  // Optimised, the two casts would cancel out.
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'disabled' })
  const { y } = await session.run({ x: new ort.Tensor('float32', values, [values.length]) })
  return y.data as Float32Array
}

describe('bfloat16', () => {
  it('rounds as onnxruntime does: any bits, ties and overflow', async () => {
    const { float } = random(16)
    const bits = Uint32Array.from({ length: 20_000 }, () => float() * 2 ** 32)
    // Ties, their neighbours, and the step to infinity.
    for (let i = 0; i < 3000; i++) bits[i] = (bits[i] & 0xffff0000) | (0x7fff + (i % 3))
    bits.set([0x7f7fffff, 0x7f7f8000, 0x7f7f7fff, 0x7f800000, 0xff800000, 0x80000000, 1], 3000)
    const values = new Float32Array(bits.buffer).map((value) => (Number.isNaN(value) ? 0 : value))
    expect(bfloat16ToFloat32(float32ToBfloat16(values))).toEqual(await throughOnnxruntime(values))
  })

  it('keeps NaN', () => {
    expect(bfloat16ToFloat32(float32ToBfloat16(Float32Array.of(Number.NaN)))[0]).toBeNaN()
  })
})
