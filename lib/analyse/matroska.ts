import { type Frame, isYuv } from '../image/frame.js'

/**
 * Matroska for frames as they are: a program that encodes them hears of their times and colours, which bare frames do
 * not tell.
 *
 * Numbers are those of RFC 9559.
 */

const MATRICES = { bt709: 1, bt601: 6, bt2020: 9 } as const
const RANGES = { limited: 1, full: 2 } as const
const FOUR_CC = {
  nv12: 'NV12',
  i420: 'I420',
  rgb: 'RGB\x18',
  bgr: 'BGR\x18',
  rgba: 'RGBA',
  bgra: 'BGRA',
  grey: 'Y800',
}

/** Nanoseconds of a unit of time: microseconds, which lie below half a tick of what is written in the end. */
const TIMESTAMP_SCALE = 1000

/** What comes before the first frame. @param frameRate a hint, where it is known */
export function matroskaHeader(frame: Frame, frameRate: number | null): Buffer {
  const { width, height, format, matrix = 'bt601', range = 'limited' } = frame
  const colour = isYuv(format)
    ? [element(0x55b0, element(0x55b1, number(MATRICES[matrix])), element(0x55b9, number(RANGES[range])))]
    : []
  const video = [
    element(0xb0, number(width)),
    element(0xba, number(height)),
    element(0x2eb524, Buffer.from(FOUR_CC[format], 'latin1')),
    ...colour,
  ]
  const track = [
    element(0xd7, number(1)),
    element(0x73c5, number(1)),
    element(0x83, number(1)),
    element(0x86, Buffer.from('V_UNCOMPRESSED')),
    ...(frameRate === null ? [] : [element(0x23e383, number(Math.round(1e9 / frameRate)))]),
    element(0xe0, ...video),
  ]
  const name = Buffer.from('efficientdet-trt')
  return Buffer.concat([
    element(
      0x1a45dfa3,
      element(0x4282, Buffer.from('matroska')),
      element(0x4287, number(4)),
      element(0x4285, number(2)),
    ),
    // A segment without a length goes on to the end.
    Buffer.from('1853806701ffffffffffffff', 'hex'),
    element(
      0x1549a966,
      element(0x2ad7b1, number(TIMESTAMP_SCALE)),
      element(0x4d80, name),
      element(0x5741, name),
    ),
    element(0x1654ae6b, element(0xae, ...track)),
  ])
}

/** What comes before a frame's bytes. @param time in seconds from the first frame, not before it */
export function matroskaBlock(bytes: number, time: number): Buffer {
  const timestamp = element(0xe7, number(Math.round(time * 1e6)))
  // Track 1, at the cluster's own time, a key frame.
  const block = Buffer.concat([Buffer.from([0xa3]), length(bytes + 4), Buffer.from([0x81, 0, 0, 0x80])])
  return Buffer.concat([
    Buffer.from('1f43b675', 'hex'),
    length(timestamp.length + block.length + bytes),
    timestamp,
    block,
  ])
}

function element(id: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const bytes = Math.ceil(id.toString(16).length / 2)
  const begin = Buffer.alloc(bytes)
  begin.writeUIntBE(id, 0, bytes)
  return Buffer.concat([begin, length(body.length), body])
}

/** Eight bytes, whatever the length: simpler, and nothing beside a frame. */
function length(bytes: number): Buffer {
  const field = Buffer.alloc(8)
  field.writeBigUInt64BE(BigInt(bytes) | (1n << 56n))
  return field
}

function number(value: number): Buffer {
  const field = Buffer.alloc(8)
  field.writeBigUInt64BE(BigInt(value))
  return field
}
