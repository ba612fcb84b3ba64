import { EfficientDetError } from '../base/errors.js'
import type { Size } from '../models/levels.js'
import { halved } from '../models/levels.js'
import type { ConvPadding, PoolPadding } from '../models/spec.js'
import type { Activation } from '../models/variants.js'
import type { ConvLayer, FeatureMap, HeadOutput, Layers } from '../network/layers.js'
import { foldBatchNorm } from './batch-norm.js'
import type { GraphBuilder } from './builder.js'
import { type HeadLayout, levelOutput, paddedChannels } from './head-outputs.js'
import { elementTypeId, type GraphPrecision } from './onnx.js'
import { pads } from './padding.js'

/** Every tensor of a network as float32, by effdet's names. */
export type Weights = ReadonlyMap<string, Float32Array>

/** A feature map in the ONNX graph. */
export interface Value extends FeatureMap {
  /** Name of the node output that holds it. */
  readonly id: string
}

/** The smallest number of each precision: what a max-pool's border gives way to. */
const LOWEST: Readonly<Record<GraphPrecision, number>> = {
  fp32: -3.4028234663852886e38,
  fp16: -65504,
  bf16: -3.3895313892515355e38,
}

/** BatchNorm's ε in the paper's code (automl hparams_config.py, efficientnet_builder.py) and in effdet's own layers. */
const DEFAULT_EPSILON = 1e-3

/**
 * The bias of channels that fill up a level's output: a logit that no threshold above 0 lets pass, within float16.
 */
const FILL = -10_000

/** The fast normalised fusion's ε (paper section 3.3; automl efficientdet_keras.py:88-96). */
const FUSION_EPSILON = 1e-4

/**
 * Interprets a network as ONNX nodes: BatchNorm and fusion weights become constants, every shape is known, so
 * nothing is computed about shapes when the graph runs.
 */
export class OnnxLayers implements Layers<Value> {
  readonly #graph: GraphBuilder
  readonly #weights: Weights
  readonly #precision: GraphPrecision
  readonly #heads: HeadLayout

  constructor(graph: GraphBuilder, weights: Weights, precision: GraphPrecision, heads: HeadLayout) {
    this.#graph = graph
    this.#weights = weights
    this.#precision = precision
    this.#heads = heads
  }

  conv(x: Value, layer: ConvLayer): Value {
    const { name, kernel, stride = 1, padding = 'same', out, depthwise = false } = layer
    const dims = [out, depthwise ? 1 : x.channels, kernel, kernel]
    // Heads share a convolution over levels but not its BatchNorm, hence a folded copy for each of those.
    const key = layer.batchNorm === undefined ? name : `${name}/${layer.batchNorm}`
    const inputs = [x.id]
    if (layer.bias || layer.batchNorm !== undefined) {
      let folded: { weight: Float32Array; bias: Float32Array } | undefined
      const fold = () => (folded ??= this.#folded(layer))
      inputs.push(this.#graph.constant(`${key}.weight`, dims, () => fold().weight))
      inputs.push(this.#graph.constant(`${key}.bias`, [out], () => fold().bias))
    } else {
      inputs.push(this.#graph.constant(`${key}.weight`, dims, () => this.#tensor(`${name}.weight`)))
    }
    const id = this.#graph.node('Conv', name, inputs, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: pads(x, kernel, stride, padding),
      group: depthwise ? out : 1,
    })
    const { height, width } = stride === 2 ? halved(x) : x
    const result = { id, channels: out, height, width }
    return layer.activation === undefined ? result : this.activate(result, layer.activation)
  }

  activate(x: Value, activation: Activation): Value {
    if (activation === 'relu6') {
      const limits = [this.#graph.scalar('zero', 0), this.#graph.scalar('six', 6)]
      return { ...x, id: this.#graph.node('Clip', `${x.id}/relu6`, [x.id, ...limits]) }
    }
    // Swish is an operator only from opset 24 on; both runtimes fuse this pair.
    const sigmoid = this.#graph.node('Sigmoid', `${x.id}/sigmoid`, [x.id])
    return { ...x, id: this.#graph.node('Mul', `${x.id}/swish`, [x.id, sigmoid]) }
  }

  globalMean(x: Value): Value {
    // Not GlobalAveragePool: onnxruntime 1.32 adds its values up one by one, which at D3's size and above costs a
    // decimal digit of both outputs (docs/parity.md).
    const id = this.#graph.node('ReduceMean', `${x.id}/mean`, [x.id], { axes: [2, 3], keepdims: 1 })
    return { id, channels: x.channels, height: 1, width: 1 }
  }

  gate(x: Value, gate: Value): Value {
    const sigmoid = this.#graph.node('Sigmoid', `${gate.id}/sigmoid`, [gate.id])
    return { ...x, id: this.#graph.node('Mul', `${gate.id}/gate`, [x.id, sigmoid]) }
  }

  add(a: Value, b: Value): Value {
    return { ...a, id: this.#graph.node('Add', `${a.id}/add`, [a.id, b.id]) }
  }

  maxPool(x: Value, padding: ConvPadding, outside: PoolPadding): Value {
    const border = pads(x, 3, 2, padding)
    const size = halved(x)
    let id = this.#graph.node('MaxPool', `${x.id}/max_pool`, [x.id], {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: border,
    })
    if (outside === 'zero') {
      // Pooling pads with −∞; the maximum with 0 where a window leaves the map equals zeros outside. onnxruntime 1.30
      // fuses Pad into MaxPool and loses the zeros.
      const constant = `max_pool_border.${x.height}x${x.width}`
      const values = () => borderMask(x, size, border, LOWEST[this.#precision])
      const mask = this.#graph.constant(constant, [1, 1, size.height, size.width], values)
      id = this.#graph.node('Max', `${x.id}/max_pool_border`, [id, mask])
    }
    return { id, channels: x.channels, ...size }
  }

  upsample(x: Value, size: Size): Value {
    if (size.height === x.height && size.width === x.width) return x
    const scales = [1, 1, upsampleScale(x.height, size.height), upsampleScale(x.width, size.width)]
    const name = `upsample.${x.height}x${x.width}.${size.height}x${size.width}`
    const id = this.#graph.node('Resize', `${x.id}/upsample`, [x.id, '', this.#graph.scales(name, scales)], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    })
    return { id, channels: x.channels, height: size.height, width: size.width }
  }

  fuse(inputs: readonly Value[], weightsName: string | null): Value {
    const first = inputs[0]!
    const terms = weightsName === null ? inputs.map(({ id }) => id) : this.#weighted(inputs, weightsName)
    return {
      ...first,
      id: terms.reduce((sum, term) => this.#graph.node('Add', `${first.id}/fuse`, [sum, term])),
    }
  }

  output(levels: readonly Value[], head: HeadOutput): void {
    if (this.#heads === 'levels') this.#byLevel(levels, head)
    else this.#joined(levels, head)
  }

  /** A convolution for each level, of which TensorRT writes nothing twice. */
  #byLevel(levels: readonly Value[], head: HeadOutput): void {
    const { name, output } = head
    const channels = levels[0]!.channels
    const padded = paddedChannels(head, this.#precision)
    const filled = (values: Float32Array, size: number, fill: number) => {
      const all = new Float32Array(size).fill(fill)
      all.set(values)
      return all
    }
    const weight = this.#graph.constant(`${name}.weight`, [padded, channels, 1, 1], () =>
      filled(this.#tensor(`${name}.weight`), padded * channels, 0),
    )
    const bias = this.#graph.constant(`${name}.bias`, [padded], () =>
      filled(this.#tensor(`${name}.bias`), padded, FILL),
    )
    for (const [index, level] of levels.entries()) {
      const attributes = { kernel_shape: [1, 1] }
      this.#graph.node('Conv', name, [level.id, weight, bias], attributes, levelOutput(output, index))
    }
  }

  #joined(levels: readonly Value[], { name, output, anchors, values }: HeadOutput): void {
    const graph = this.#graph
    const channels = levels[0]!.channels
    const cells = levels.reduce((sum, level) => sum + level.height * level.width, 0)
    const outputs = anchors * values
    // All levels share these weights, so one matrix product serves them all: the narrow features are joined
    // and transposed, never the wide scores.
    const flat = levels.map((level) =>
      graph.node('Reshape', `${level.id}/flat`, [level.id, graph.shape('flat_map', [0, channels, -1])]),
    )
    const joined = graph.node('Concat', `${name}/levels`, flat, { axis: 2 })
    const rows = graph.node('Transpose', `${name}/rows`, [joined], { perm: [0, 2, 1] })
    const matrix = graph.node('Reshape', `${name}/matrix`, [rows, graph.shape('rows', [-1, channels])])
    const weight = graph.constant(`${name}.weight`, [outputs, channels], () => this.#tensor(`${name}.weight`))
    const bias = graph.constant(`${name}.bias`, [outputs], () => this.#tensor(`${name}.bias`))
    const product = graph.node('Gemm', name, [matrix, weight, bias], { transB: 1 })
    const shape = graph.shape(`${output}.shape`, [-1, cells * anchors, values])
    if (this.#precision === 'fp32') {
      graph.node('Reshape', `${output}/reshape`, [product, shape], {}, output)
    } else {
      const reshaped = graph.node('Reshape', `${output}/reshape`, [product, shape])
      graph.node('Cast', `${output}/float32`, [reshaped], { to: elementTypeId('float32') }, output)
    }
  }

  #weighted(inputs: readonly Value[], weightsName: string): string[] {
    const positive = this.#tensor(weightsName).map((weight) => Math.max(weight, 0))
    const total = positive.reduce((sum, weight) => sum + weight, 0) + FUSION_EPSILON
    return inputs.map(({ id }, i) => {
      const weight = this.#graph.scalar(`${weightsName}.${i}`, positive[i]! / total)
      return this.#graph.node('Mul', `${id}/weighted`, [id, weight])
    })
  }

  /** Weight and bias of a convolution that has a bias, a BatchNorm or both. */
  #folded({ name, bias, batchNorm, epsilon = DEFAULT_EPSILON }: ConvLayer): {
    weight: Float32Array
    bias: Float32Array
  } {
    const weight = this.#tensor(`${name}.weight`)
    if (batchNorm === undefined) return { weight, bias: this.#tensor(`${name}.bias`) }
    return foldBatchNorm(weight, bias ? this.#tensor(`${name}.bias`) : null, {
      gamma: this.#tensor(`${batchNorm}.weight`),
      beta: this.#tensor(`${batchNorm}.bias`),
      mean: this.#tensor(`${batchNorm}.running_mean`),
      variance: this.#tensor(`${batchNorm}.running_var`),
      epsilon,
    })
  }

  #tensor(name: string): Float32Array {
    const tensor = this.#weights.get(name)
    if (tensor === undefined) throw new EfficientDetError('ERR_WEIGHTS', `The weights lack ${name}.`)
    return tensor
  }
}

/**
 * A scale that gives exactly `to` cells and ⌊i · from / to⌋ as source of cell i in every runtime: 2 for to = 2·from.
 *
 * For to = 2·from − 1, it lies in the middle, away from rounding, of those in (2 − 1/(from − 1), 2) whose product
 * with `from` is at least `to`.
 */
function upsampleScale(from: number, to: number): number {
  if (to === 2 * from || to === from) return to / from
  return 2 - 1 / (2 * from)
}

/** 0 where a 3×3 window of stride 2 reaches outside the map, the lowest number elsewhere. */
function borderMask(
  input: Size,
  output: Size,
  [top, left]: readonly [number, number, number, number],
  lowest: number,
): Float32Array {
  const mask = new Float32Array(output.height * output.width)
  const leaves = (i: number, before: number, n: number) => 2 * i - before < 0 || 2 * i - before + 3 > n
  for (let y = 0; y < output.height; y++) {
    for (let x = 0; x < output.width; x++) {
      const outside = leaves(y, top, input.height) || leaves(x, left, input.width)
      mask[y * output.width + x] = outside ? 0 : lowest
    }
  }
  return mask
}
