import { float32ToBfloat16 } from '../base/bfloat16.js'
import { EfficientDetError } from '../base/errors.js'
import { float32ToFloat16 } from '../base/float16.js'
import {
  type Attribute,
  ELEMENT_TYPE_OF,
  type ElementType,
  type Graph,
  type GraphPrecision,
  type Initializer,
  type Node,
  type ValueInfo,
} from './onnx.js'

/** The types of two bytes: their bits of infinity, and where they end. */
const SHORT = {
  fp16: { round: float32ToFloat16, infinity: 0x7c00, largest: '65504' },
  bf16: { round: float32ToBfloat16, infinity: 0x7f80, largest: '3.39e38' },
} as const

/** Collects nodes and constants; names are unique, constants of one name are stored once. */
export class GraphBuilder {
  readonly #nodes: Node[] = []
  readonly #names = new Set<string>()
  readonly #initializers = new Map<string, Initializer>()
  readonly #precision: GraphPrecision

  constructor(precision: GraphPrecision) {
    this.#precision = precision
  }

  /** Adds a node with one output; the output has the node's name. */
  node(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string,
  ): string {
    const unique = this.#unique(name)
    const result = output ?? unique
    this.add({ name: unique, op, inputs, outputs: [result], attributes })
    return result
  }

  add(node: Node): void {
    this.#nodes.push(node)
  }

  /** A floating-point constant in the graph's precision; `values` is called only if the name is new. */
  constant(name: string, dims: readonly number[], values: () => Float32Array): string {
    if (!this.#initializers.has(name)) {
      const type = ELEMENT_TYPE_OF[this.#precision]
      this.#initializers.set(name, { name, dims, type, data: this.#encode(name, values()) })
    }
    return name
  }

  /** A scalar in the graph's precision. */
  scalar(name: string, value: number): string {
    return this.constant(name, [], () => Float32Array.of(value))
  }

  /** A float32 vector, whatever the precision (Resize wants its scales so). */
  scales(name: string, values: readonly number[]): string {
    return this.#store(name, 'float32', [values.length], Float32Array.from(values))
  }

  /** A float32 matrix, whatever the precision. */
  matrix(name: string, columns: number, values: Float32Array): string {
    return this.#store(name, 'float32', [values.length / columns, columns], values)
  }

  shape(name: string, values: readonly number[]): string {
    return this.#store(name, 'int64', [values.length], BigInt64Array.from(values.map(BigInt)))
  }

  /**
   * Adds the largest and least value of every layer that sums and multiplies. All others only choose, scale down or
   * squash their inputs.
   *
   * @returns two scalar outputs a layer, `NAME/largest` and `NAME/least`
   */
  extremes(): ValueInfo[] {
    const layers = this.#nodes.filter(({ op }) => op === 'Conv' || op === 'Gemm' || op === 'Add')
    return layers.flatMap(({ name, outputs: [values] }) =>
      (['ReduceMax', 'ReduceMin'] as const).map((op) => {
        const extreme = `${name}/${op === 'ReduceMax' ? 'largest' : 'least'}`
        this.add({ name: extreme, op, inputs: [values!], outputs: [extreme], attributes: { keepdims: 0 } })
        return { name: extreme, type: ELEMENT_TYPE_OF[this.#precision], dims: [] }
      }),
    )
  }

  graph(name: string, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Graph {
    return {
      name,
      nodes: this.#nodes,
      initializers: [...this.#initializers.values()],
      inputs,
      outputs,
    }
  }

  #store(
    name: string,
    type: ElementType,
    dims: readonly number[],
    values: Float32Array | BigInt64Array,
  ): string {
    this.#initializers.set(name, { name, dims, type, data: bytesOf(values) })
    return name
  }

  #encode(name: string, values: Float32Array): Uint8Array {
    const precision = this.#precision
    if (precision === 'fp32') return bytesOf(values)
    const { round, infinity, largest } = SHORT[precision]
    const rounded = round(values)
    const overflow = rounded.findIndex((bits) => (bits & 0x7fff) === infinity)
    if (overflow >= 0) {
      throw new EfficientDetError(
        'ERR_WEIGHTS',
        `${name} holds ${values[overflow]} after BatchNorm was folded in, and ${precision} ends at ${largest}. ` +
          'Use fp32 precision for these weights.',
      )
    }
    return bytesOf(rounded)
  }

  #unique(name: string): string {
    let unique = name
    for (let i = 1; this.#names.has(unique); i++) unique = `${name}_${i}`
    this.#names.add(unique)
    return unique
  }
}

function bytesOf(values: Float32Array | Uint16Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
