import { colourOf, type DeviceFrame, type Frame, PIXEL_FORMATS, planesOf } from './frame.js'
import { YUV_MATRICES, YUV_RANGES } from './yuv.js'

/** Planes of the formats with most. */
const MAX_PLANES = 3

/**
 * How a frame lies in memory, as the addon takes it (native/addon/frame_arguments.h).
 *
 * Offset and stride of each plane, which a stride of 0 ends; positions in PIXEL_FORMATS, YUV_MATRICES and YUV_RANGES.
 */
export type NativeLayout = readonly [
  planes: Uint32Array,
  format: number,
  matrix: number,
  range: number,
  width: number,
  height: number,
]

/** Room for the planes, to be used anew: a small array's memory costs as much as all else of a call. */
export function nativePlanes(): Uint32Array {
  return new Uint32Array(2 * MAX_PLANES)
}

/** @throws EfficientDetError ERR_INVALID_OPTION for a frame that is not what it says (see `planesOf`) */
export function nativeLayout(frame: Frame | DeviceFrame, planes: Uint32Array): NativeLayout {
  const each = planesOf(frame)
  for (let i = 0; i < MAX_PLANES; i++) {
    planes[2 * i] = each[i]?.offset ?? 0
    planes[2 * i + 1] = each[i]?.stride ?? 0
  }
  const { matrix, range } = colourOf(frame)
  return [
    planes,
    PIXEL_FORMATS.indexOf(frame.format),
    YUV_MATRICES.indexOf(matrix),
    YUV_RANGES.indexOf(range),
    frame.width,
    frame.height,
  ]
}
