import type { ObjectEvent, ObjectState } from '../../analytics/events.js'
import type { FrameReport } from './sink.js'

/** An object in Frigate's words, which what listens to cameras knows. Times are seconds: since 1970 if it is live. */
export interface ObjectMessage {
  /** The same in all events of the object, and in those of no other. */
  readonly id: string
  readonly camera: string
  readonly label: string
  readonly score: number
  readonly box: readonly number[]
  readonly current_zones: readonly string[]
  readonly entered_zones: readonly string[]
  readonly start_time: number
  readonly end_time: number | null
}

export interface EventMessage {
  readonly type: ObjectEvent['type']
  readonly before: ObjectMessage | null
  readonly after: ObjectMessage
  readonly crossings: readonly { readonly line: string; readonly direction: string; readonly time: number }[]
}

export function messagesOf({ stream, events, epoch }: FrameReport): EventMessage[] {
  return events.map(({ type, before, after, crossings }) => ({
    type,
    before: before === null ? null : objectOf(before, stream, epoch),
    after: objectOf(after, stream, epoch),
    crossings: crossings.map(({ line, direction, time }) => ({ line, direction, time: epoch + time })),
  }))
}

function objectOf(
  { trackId, label, score, box, zones, enteredZones, startTime, endTime }: ObjectState,
  camera: string,
  epoch: number,
): ObjectMessage {
  return {
    id: `${(epoch + startTime).toFixed(3)}-${camera}-${trackId}`,
    ...{ camera, label, score },
    box: box.map(Math.round),
    current_zones: zones.map(({ zone }) => zone),
    entered_zones: enteredZones,
    start_time: epoch + startTime,
    end_time: endTime === null ? null : epoch + endTime,
  }
}
