import type { Detection, EfficientDet } from '#lib/index.js'
import type { VideoFrame } from '#lib/video.js'

type Script = (index: number, time: number) => readonly Detection[]

/** A detector that finds what it is told in each frame, for tests of what comes after it. */
export function scripted(script: Script): EfficientDet {
  async function* stream(frames: AsyncIterable<VideoFrame>) {
    for await (const { source, context } of frames) {
      const { width, height } = source
      yield { width, height, detections: script(context.index, context.time), context }
    }
  }
  return { stream } as unknown as EfficientDet
}

/** A person at a place, 20 pixels wide and 40 high. */
export function person(x: number, y: number): Detection {
  return { label: 'person', classId: 0, score: 0.9, box: [x, y, x + 20, y + 40] }
}

/** Someone who is there for a while, again and again: one object each time. */
export function comings(framesThere: number, framesAway: number): Script {
  const round = framesThere + framesAway
  return (index) => {
    const phase = index % round
    // Elsewhere each time, so that nobody takes one for another.
    const place = 30 * (Math.floor(index / round) % 8)
    return phase < framesThere ? [person(20 + place, 20 + phase)] : []
  }
}
