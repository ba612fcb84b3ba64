import type { Message } from './protobuf.js'
import { bytes, int, message, nested, serialize, string } from './protobuf.js'

/**
 * ONNX files: messages of onnx.proto3 that our graphs use, by their field numbers.
 *
 * Opset 17 is the newest that TensorRT 10.0 and onnxruntime 1.14 both read whole; IR version 8 goes with it.
 */
const IR_VERSION = 8
const OPSET = 17

export type ElementType = 'float32' | 'float16' | 'bfloat16' | 'int32' | 'int64'

/** Type of a graph's weights and activations. bf16 is for TensorRT: opset 17's operators lack it. */
export type GraphPrecision = 'fp32' | 'fp16' | 'bf16'

/** ONNX's element type of each precision. */
export const ELEMENT_TYPE_OF: Readonly<Record<GraphPrecision, ElementType>> = {
  fp32: 'float32',
  fp16: 'float16',
  bf16: 'bfloat16',
}

const ELEMENT_TYPE: Readonly<Record<ElementType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  float16: 10,
  bfloat16: 16,
}

/** TensorProto.DataType as the `to` attribute of Cast wants it. */
export function elementTypeId(type: ElementType): number {
  return ELEMENT_TYPE[type]
}

/** An integer, a text, or a list of integers. */
export type Attribute = number | string | readonly number[]

export interface Node {
  readonly name: string
  readonly op: string
  /** The operator's; none for ONNX's own. */
  readonly domain?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface Initializer {
  readonly name: string
  readonly type: ElementType
  readonly dims: readonly number[]
  /** Little-endian, row-major. */
  readonly data: Uint8Array
}

/** A graph input or output; a string dimension is symbolic. */
export interface ValueInfo {
  readonly name: string
  readonly type: ElementType
  readonly dims: readonly (number | string)[]
}

export interface Graph {
  readonly name: string
  readonly nodes: readonly Node[]
  readonly initializers: readonly Initializer[]
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
}

function attribute(name: string, value: Attribute): Message {
  const [INT, STRING, INTS] = [2, 3, 7] as const
  if (typeof value === 'number') return message(string(1, name), int(3, value), int(20, INT))
  if (typeof value === 'string') return message(string(1, name), string(4, value), int(20, STRING))
  return message(string(1, name), ...value.map((item) => int(8, item)), int(20, INTS))
}

function node({ name, op, domain, inputs, outputs, attributes }: Node): Message {
  return message(
    ...inputs.map((input) => string(1, input)),
    ...outputs.map((output) => string(2, output)),
    string(3, name),
    string(4, op),
    ...Object.entries(attributes).map(([key, value]) => nested(5, attribute(key, value))),
    ...(domain === undefined ? [] : [string(7, domain)]),
  )
}

function tensor({ name, type, dims, data }: Initializer): Message {
  return message(
    ...dims.map((dim) => int(1, dim)),
    int(2, ELEMENT_TYPE[type]),
    string(8, name),
    bytes(9, data),
  )
}

function valueInfo({ name, type, dims }: ValueInfo): Message {
  const shape = dims.map((dim) => nested(1, typeof dim === 'number' ? int(1, dim) : string(2, dim)))
  const tensorType = message(int(1, ELEMENT_TYPE[type]), nested(2, message(...shape)))
  return message(string(1, name), nested(2, nested(1, tensorType)))
}

/** ONNX's own operators, and version 1 of each other domain. */
function opsets({ nodes }: Graph): [domain: string, version: number][] {
  const others = new Set(nodes.flatMap(({ domain }) => domain ?? []))
  return [['', OPSET], ...Array.from(others, (domain): [string, number] => [domain, 1])]
}

/** A ModelProto as a file's bytes. */
export function serializeModel(graph: Graph, producerVersion: string): Uint8Array {
  const graphProto = message(
    ...graph.nodes.map((item) => nested(1, node(item))),
    string(2, graph.name),
    ...graph.initializers.map((item) => nested(5, tensor(item))),
    ...graph.inputs.map((item) => nested(11, valueInfo(item))),
    ...graph.outputs.map((item) => nested(12, valueInfo(item))),
  )
  return serialize(
    message(
      int(1, IR_VERSION),
      string(2, 'efficientdet-trt'),
      string(3, producerVersion),
      nested(7, graphProto),
      ...opsets(graph).map(([domain, version]) => nested(8, message(string(1, domain), int(2, version)))),
    ),
  )
}
