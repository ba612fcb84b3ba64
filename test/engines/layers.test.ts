import { describe, expect, it } from 'vitest'
import { layersOf } from '#lib/engines/layers.js'

const layer = (name: string, type: string) => ({
  Name: name,
  LayerType: 'x',
  Outputs: [{ Name: 'o', 'Format/Datatype': type }],
})

describe("layers by TensorRT's inspector", () => {
  it('have the type of their output', () => {
    const json = JSON.stringify({
      Layers: [
        layer('a', 'Row major linear FP32'),
        layer('b', 'Channel major FP16 format where channel % 8 == 0'),
        layer('c', 'Half'),
        layer('d', 'Float'),
        layer('e', 'Row major linear BFloat16'),
        layer('f', 'BF16'),
        layer('g', 'Row major Int8 format'),
        layer('h', 'something new'),
        { Name: 'i', Outputs: [] },
      ],
    })
    expect(layersOf(json).map(({ precision }) => precision)).toEqual([
      'fp32',
      'fp16',
      'fp16',
      'fp32',
      'bf16',
      'bf16',
      'int8',
      null,
      null,
    ])
  })

  it('are names alone in engines of little verbosity', () => {
    expect(layersOf('{"Layers": ["conv1", "conv2"]}')).toEqual([
      { name: 'conv1', precision: null },
      { name: 'conv2', precision: null },
    ])
  })

  it.each(['', 'null', '[]', '{"Layers": 3}', '{"Layers": [null]}', '{'])(
    'are none that can be read in %j',
    (json) => {
      for (const { precision } of layersOf(json)) expect(precision).toBeNull()
    },
  )
})
