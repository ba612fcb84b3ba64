import { isMainThread } from 'node:worker_threads'
import type { Frame } from '../../image/frame.js'
import { type NativeLayout, nativeLayout, nativePlanes } from '../../image/native-layout.js'
import { addon } from './addon.js'

/** A frame that stays where it is, for another thread of this process to read. */
export interface LentFrame {
  readonly address: bigint
  readonly layout: NativeLayout
  readonly width: number
  readonly height: number
}

/**
 * Lends a frame to a thread instead of copying it: a decoder's memory cannot be transferred. The caller keeps the frame
 * until the thread has answered or ended.
 *
 * @param frame whose bytes nobody else writes to or takes away
 * @returns null where the addon does not load, or threads are processes
 * @throws EfficientDetError ERR_INVALID_OPTION (see `planesOf`)
 */
export function lend(frame: Frame): LentFrame | null {
  const native = isMainThread ? addon() : null
  if (native === null) return null
  const { width, height } = frame
  return { address: native.addressOf(frame.data), layout: nativeLayout(frame, nativePlanes()), width, height }
}
