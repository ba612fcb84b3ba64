import type { Size } from '../models/levels.js'
import { halved } from '../models/levels.js'
import type { Architecture } from '../models/spec.js'
import { efficientDet } from './efficientdet.js'
import type { ConvLayer, FeatureMap, Layers } from './layers.js'

/** What a network consists of, without any weights at hand. */
export interface Inventory {
  /** Shapes of all tensors that the network needs, BatchNorm statistics included, by effdet's names. */
  readonly tensors: ReadonlyMap<string, readonly number[]>
  /** Trainable values: all but the BatchNorm statistics. */
  readonly parameters: number
  /** Multiply-adds of all convolutions for one image. */
  readonly multiplyAdds: number
}

/** Runs the network's description with an interpreter that only takes notes. */
export function inventory(architecture: Architecture, input: Size): Inventory {
  const tensors = new Map<string, readonly number[]>()
  let multiplyAdds = 0

  const convolve = (x: FeatureMap, layer: ConvLayer): FeatureMap => {
    const inputs = layer.depthwise ? 1 : x.channels
    const size = layer.stride === 2 ? halved(x) : x
    tensors.set(`${layer.name}.weight`, [layer.out, inputs, layer.kernel, layer.kernel])
    if (layer.bias) tensors.set(`${layer.name}.bias`, [layer.out])
    if (layer.batchNorm !== undefined) {
      for (const part of ['weight', 'bias', 'running_mean', 'running_var']) {
        tensors.set(`${layer.batchNorm}.${part}`, [layer.out])
      }
    }
    multiplyAdds += size.height * size.width * layer.out * inputs * layer.kernel ** 2
    return { channels: layer.out, height: size.height, width: size.width }
  }

  const layers: Layers<FeatureMap> = {
    conv: convolve,
    activate: (x) => x,
    globalMean: ({ channels }) => ({ channels, height: 1, width: 1 }),
    gate: (x) => x,
    add: (a) => a,
    maxPool: (x) => ({ channels: x.channels, ...halved(x) }),
    upsample: (x, size) => ({ channels: x.channels, height: size.height, width: size.width }),
    fuse: (inputs, weightsName) => {
      if (weightsName !== null) tensors.set(weightsName, [inputs.length])
      return inputs[0]!
    },
    output: (levels, { name, anchors, values }) => {
      for (const level of levels) {
        convolve(level, { name, bias: true, kernel: 1, out: anchors * values })
      }
    },
  }
  efficientDet(layers, { channels: 3, ...input }, architecture)

  let parameters = 0
  for (const [name, shape] of tensors) {
    if (!/\.running_(mean|var)$/.test(name)) parameters += shape.reduce((product, n) => product * n, 1)
  }
  return { tensors, parameters, multiplyAdds }
}
