import type { ObjectEvent } from '#lib/analytics/events.js'
import type { FrameReport } from '#lib/video.js'

/** The report of a frame in which an object comes or goes. */
export function reportOf(
  index: number,
  events: readonly (readonly [ObjectEvent['type'], number])[],
): FrameReport {
  const state = (trackId: number, endTime: number | null) => ({
    ...{ trackId, label: 'person', classId: 0, score: 0.9, box: [1, 2, 3, 4] as const, endTime },
    ...{ zones: [], enteredZones: [], startTime: trackId },
  })
  return {
    ...{ stream: 'door', live: true, index, time: index, pts: index, timeBase: [1, 1], epoch: 1000 },
    ...{ width: 64, height: 48, counts: null },
    detections: events
      .filter(([type]) => type !== 'end')
      .map(([, trackId]) => ({ label: 'person', classId: 0, score: 0.9, box: [1, 2, 3, 4], trackId })),
    events: events.map(([type, trackId]) => ({
      ...{ type, time: index, crossings: [], entered: [], left: [] },
      before: type === 'new' ? null : state(trackId, null),
      after: state(trackId, type === 'end' ? index : null),
    })),
  }
}
