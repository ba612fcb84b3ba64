import type { Size } from '../models/levels.js'
import { halved } from '../models/levels.js'
import type { Architecture } from '../models/spec.js'
import { efficientDet } from './efficientdet.js'
import type { FeatureMap, Layers } from './layers.js'

/** How much a network has to hold, in values of its body's type. */
export interface Footprint {
  /** Weights after BatchNorm was folded in. */
  readonly weights: number
  /** What the largest layer reads and writes, of one image. */
  readonly largestLayer: number
  /** What the two heads give, of one image. */
  readonly outputs: number
  /** How many layers there are. */
  readonly layers: number
}

/** Runs the network's description with an interpreter that only counts. */
export function footprint(architecture: Architecture, input: Size): Footprint {
  const kernels = new Map<string, number>()
  let largestLayer = 0
  let outputs = 0
  let count = 0

  const layer = <T extends FeatureMap>(inputs: readonly FeatureMap[], output: T): T => {
    const values = [...inputs, output].reduce((sum, map) => sum + valuesOf(map), 0)
    count++
    largestLayer = Math.max(largestLayer, values)
    return output
  }
  const layers: Layers<FeatureMap> = {
    conv(x, { name, depthwise, kernel, stride, out }) {
      // A kernel that levels share is stored once; its folded bias differs, and is small.
      kernels.set(name, out * (depthwise ? 1 : x.channels) * kernel ** 2 + out)
      return layer([x], { channels: out, ...sizeOf(stride === 2 ? halved(x) : x) })
    },
    activate: (x) => layer([x], x),
    globalMean: (x) => layer([x], { channels: x.channels, height: 1, width: 1 }),
    gate: (x, gate) => layer([x, gate], x),
    add: (a, b) => layer([a, b], a),
    maxPool: (x) => layer([x], { channels: x.channels, ...halved(x) }),
    upsample: (x, size) => layer([x], { channels: x.channels, ...sizeOf(size) }),
    fuse: (inputs) => layer(inputs, inputs[0]),
    output(levels, { name, anchors, values }) {
      kernels.set(name, anchors * values * (levels[0].channels + 1))
      count += levels.length
      for (const level of levels) outputs += level.height * level.width * anchors * values
    },
  }
  efficientDet(layers, { channels: 3, ...input }, architecture)
  const weights = [...kernels.values()].reduce((sum, count) => sum + count, 0)
  return { weights, largestLayer, outputs, layers: count }
}

function valuesOf({ channels, height, width }: FeatureMap): number {
  return channels * height * width
}

function sizeOf({ height, width }: Size): Size {
  return { height, width }
}
