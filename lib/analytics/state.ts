import { inspect } from '../base/inspect.js'
import { MAX_CLASSES, MAX_TRACKS, MAX_ZONES } from '../base/limits.js'
import { misshapen, numbers, type Shape } from '../base/shape.js'
import type { Size } from '../models/levels.js'
import { ANALYTICS_OPTIONS, type AnalyticsOptions } from '../options/analytics.js'
import { invalidOption } from '../options/checks.js'
import { checkOptions } from '../options/option.js'
import type { ObjectRecord } from './object-record.js'
import type { TallyState } from './tally.js'

/** Analytics between two frames, as plain data. */
export interface AnalyticsState {
  readonly version: 1
  readonly options: AnalyticsOptions
  readonly frame: Size
  readonly tally: TallyState
  readonly objects: readonly ObjectRecord[]
  /** Seconds of each cell. */
  readonly heatMap: readonly number[] | null
}

const BOX: Shape = { list: 'number', length: 4 }
const SETTLING = numbers('side', 'pending', 'since')
const labelled = (...names: string[]): Shape => ({
  list: { keys: { label: 'text', ...numbers(...names) } },
  most: MAX_CLASSES,
})

const TOLD: Shape = {
  keys: {
    ...numbers('trackId', 'classId', 'score', 'startTime'),
    label: 'text',
    box: BOX,
    zones: { list: { keys: { zone: 'text', since: 'number' } }, most: MAX_ZONES },
    enteredZones: { list: 'text', most: MAX_ZONES },
    endTime: { orNull: 'number' },
  },
}

/** @param cells of the heat map; null without one */
function shapeOf(lines: number, zones: number, cells: number | null): Shape {
  const place: Shape = { below: zones }
  return {
    keys: {
      version: 'number',
      frame: { keys: numbers('width', 'height') },
      tally: {
        keys: {
          lines: { list: labelled('in', 'out'), length: lines },
          zones: {
            list: { keys: { classes: labelled('entered', 'left'), ...numbers('total', 'longest') } },
            length: zones,
          },
          journeys: { list: { keys: { from: place, to: place, count: 'number' } }, most: zones * zones },
        },
      },
      objects: {
        list: {
          keys: {
            ...numbers('trackId', 'classId', 'score', 'startTime', 'lastTime', 'entries'),
            label: 'text',
            classes: labelled('classId', 'weight'),
            box: BOX,
            last: { orNull: { list: 'number', length: 2 } },
            lines: { list: { keys: { ...SETTLING, met: 'flag' } }, length: lines },
            zones: {
              list: { keys: { ...SETTLING, label: { orNull: 'text' }, from: 'number' } },
              length: zones,
            },
            entered: { list: place, most: zones },
            destination: { below: Math.max(zones, 1) },
            told: { orNull: TOLD },
          },
        },
        most: MAX_TRACKS * MAX_CLASSES,
      },
      heatMap: cells === null ? { orNull: { list: 'number', length: 0 } } : { list: 'number', length: cells },
    },
  }
}

/** @throws EfficientDetError ERR_INVALID_OPTION */
export function checkState(state: AnalyticsState): AnalyticsState {
  return inspect('the analytics state', () => {
    const wrong = (path: string) =>
      invalidOption(`the analytics state${path}`, state, 'what Analytics.save() gave')
    if (typeof state !== 'object' || state === null) throw wrong('')
    // A copy, which nobody changes meanwhile, and which counting may.
    const { options, ...rest }: AnalyticsState = structuredClone(state)
    const { lines, zones, heatMap } = checkOptions('the analytics options', options, ANALYTICS_OPTIONS)
    const cells = heatMap === null ? null : heatMap.columns * heatMap.rows
    const path = misshapen(rest, shapeOf(lines.length, zones.length, cells))
    if (path !== null) throw wrong(path)
    if (rest.version !== 1) throw wrong('.version')
    return { options, ...rest }
  })
}
