import { createHash } from 'node:crypto'
import { MAX_ENGINE_HEADER } from '../base/limits.js'
import { engineError } from './engine-error.js'
import { type EngineHeader, headerFromJson, headerToJson } from './header.js'

/**
 * An engine file: a preamble of 88 bytes, the header in JSON, the plan. Numbers are little-endian.
 *
 * | offset | bytes | |
 * | ---: | ---: | --- |
 * | 0 | 8 | magic; as PNG's, its bytes show what passing for text does to a file |
 * | 8 | 4 | version of this layout and of the header |
 * | 12 | 4 | bytes of the header |
 * | 16 | 8 | bytes of the plan |
 * | 24 | 32 | SHA-256 of the plan |
 * | 56 | 32 | SHA-256 of the 56 bytes before and the header |
 */
export const PREAMBLE_BYTES = 88
const SIGNED_BYTES = 56
const MAGIC = Buffer.from('\x89EDE\r\n\x1a\n', 'latin1')
/** Grows with every change that an older version of this package would misread. */
const VERSION = 2

/** Where the parts of an engine file lie, as its preamble tells. */
export interface EngineLayout {
  readonly headerBytes: number
  readonly planBytes: number
  readonly planSha256: Buffer
  readonly signature: Buffer
}

/** Whether bytes are the beginning of an engine file of ours. */
export function isEngine(head: Uint8Array): boolean {
  return MAGIC.equals(head.subarray(0, MAGIC.length))
}

/** What comes before the plan. */
export function encodeHead(header: EngineHeader, planBytes: number, planSha256: Uint8Array): Uint8Array {
  const json = Buffer.from(headerToJson(header))
  const preamble = Buffer.alloc(PREAMBLE_BYTES)
  MAGIC.copy(preamble)
  preamble.writeUInt32LE(VERSION, 8)
  preamble.writeUInt32LE(json.length, 12)
  preamble.writeBigUInt64LE(BigInt(planBytes), 16)
  preamble.set(planSha256, 24)
  preamble.set(signatureOf(preamble, json), SIGNED_BYTES)
  return Buffer.concat([preamble, json])
}

/**
 * @param preamble the first PREAMBLE_BYTES of the file, or all of a shorter one
 * @param fileBytes of the whole file
 * @throws EfficientDetError ERR_ENGINE
 */
export function decodePreamble(path: string, preamble: Buffer, fileBytes: number): EngineLayout {
  if (fileBytes === 0) throw engineError(path, 'truncated', `is empty. ${AGAIN}`)
  const begin = preamble.subarray(0, MAGIC.length)
  if (!begin.equals(MAGIC.subarray(0, begin.length))) throw engineError(path, 'foreign', foreign(preamble))
  if (preamble.length < PREAMBLE_BYTES) {
    throw engineError(path, 'truncated', `has ${fileBytes} bytes and ends within its header. ${AGAIN}`)
  }
  const version = preamble.readUInt32LE(8)
  if (version > VERSION) {
    throw engineError(
      path,
      'future',
      `is an engine file of version ${version}, and this efficientdet-trt reads version ${VERSION}. Update the package, or build the engine again.`,
    )
  }
  const headerBytes = preamble.readUInt32LE(12)
  const planBytes = Number(preamble.readBigUInt64LE(16))
  if (version > 0 && version < VERSION) {
    throw engineError(
      path,
      'stale',
      `is an engine file of version ${version}, from an earlier efficientdet-trt, and this one reads version ${VERSION}. Build the engine again.`,
    )
  }
  if (
    version === 0 ||
    headerBytes > MAX_ENGINE_HEADER ||
    planBytes > Number.MAX_SAFE_INTEGER - MAX_ENGINE_HEADER
  ) {
    throw engineError(path, 'damaged', `has a header that cannot be. ${AGAIN}`)
  }
  const expected = PREAMBLE_BYTES + headerBytes + planBytes
  if (fileBytes < expected) {
    throw engineError(
      path,
      'truncated',
      `has ${fileBytes} bytes of ${expected}: its end is missing. ${AGAIN}`,
    )
  }
  if (fileBytes > expected) {
    throw engineError(path, 'damaged', `has ${fileBytes} bytes and should have ${expected}. ${AGAIN}`)
  }
  return {
    headerBytes,
    planBytes,
    planSha256: Buffer.from(preamble.subarray(24, SIGNED_BYTES)),
    signature: Buffer.from(preamble.subarray(SIGNED_BYTES)),
  }
}

/** @throws EfficientDetError ERR_ENGINE */
export function decodeHeader(
  path: string,
  preamble: Uint8Array,
  json: Uint8Array,
  { signature }: EngineLayout,
): EngineHeader {
  if (!signatureOf(preamble, json).equals(signature)) {
    throw engineError(path, 'damaged', `has a header that does not match its checksum. ${AGAIN}`)
  }
  const header = headerFromJson(json)
  if (header === null) {
    throw engineError(path, 'damaged', `has a header that this efficientdet-trt cannot read. ${AGAIN}`)
  }
  return header
}

/** What to do about a file whose bytes are wrong. */
export const AGAIN = 'Copy it again from where it came, or build it again (efficientdet build).'

function signatureOf(preamble: Uint8Array, json: Uint8Array): Buffer {
  return createHash('sha256').update(preamble.subarray(0, SIGNED_BYTES)).update(json).digest()
}

function foreign(head: Buffer): string {
  // TensorRT's own mark at the beginning of a plan.
  if (head.subarray(0, 4).equals(Buffer.from('ftrt'))) {
    return "is a plan of TensorRT's alone, without anchors, labels and preprocessing. Build an engine file from the weights (efficientdet build)."
  }
  return 'is no engine file of efficientdet-trt. Give a file that "efficientdet build" wrote.'
}
