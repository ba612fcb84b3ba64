/**
 * Protocol Buffers' wire format, writing only: the three field kinds that ONNX needs.
 *
 * Messages are lists of chunks, so that hundreds of megabytes of weights are copied once. Protobuf libraries copy
 * several times and cannot take typed arrays as they are.
 */
export interface Message {
  readonly chunks: readonly Uint8Array[]
  readonly length: number
}

const WIRE_VARINT = 0
const WIRE_BYTES = 2

const encoder = new TextEncoder()

function varint(value: number): number[] {
  if (value < 0) {
    // Two's complement in 64 bits, as protobuf writes negative int64.
    const bytes: number[] = []
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    return bytes
  }
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
  return bytes
}

function tag(field: number, wire: number): number[] {
  return varint(field * 8 + wire)
}

export function message(...fields: readonly Message[]): Message {
  return {
    chunks: fields.flatMap((field) => field.chunks),
    length: fields.reduce((sum, field) => sum + field.length, 0),
  }
}

/** An int64, int32 or enum field. */
export function int(field: number, value: number): Message {
  const chunk = Uint8Array.from([...tag(field, WIRE_VARINT), ...varint(value)])
  return { chunks: [chunk], length: chunk.length }
}

export function bytes(field: number, value: Uint8Array): Message {
  const head = Uint8Array.from([...tag(field, WIRE_BYTES), ...varint(value.length)])
  return { chunks: [head, value], length: head.length + value.length }
}

export function string(field: number, value: string): Message {
  return bytes(field, encoder.encode(value))
}

export function nested(field: number, value: Message): Message {
  const head = Uint8Array.from([...tag(field, WIRE_BYTES), ...varint(value.length)])
  return { chunks: [head, ...value.chunks], length: head.length + value.length }
}

/** Puts a message together. */
export function serialize(root: Message): Uint8Array {
  const out = new Uint8Array(root.length)
  let at = 0
  for (const chunk of root.chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}
