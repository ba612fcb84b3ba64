import type { Command } from 'commander'
import { DETECT_OPTIONS, type DetectOptions } from '../options/detect.js'
import { parseList, parseThreshold, type Thresholds } from './arguments.js'
import { addFlags, flagOf, given } from './flags.js'

const NAMES = ['iouThreshold', 'maxDetections', 'preNmsTopK', 'nms', 'damaged', 'decode'] as const

/** The options that tell what is found. */
export interface DetectOptionsFlags extends Pick<DetectOptions, (typeof NAMES)[number]> {
  readonly scoreThreshold?: Thresholds
  readonly classes?: string[]
}

/** As often as needed. */
function parseClasses(text: string, others: string[] = []): string[] {
  return [...others, ...parseList(text)]
}

/** One flag says both kinds of threshold. */
const SCORE_THRESHOLD = {
  ...DETECT_OPTIONS.scoreThreshold,
  help: `${DETECT_OPTIONS.scoreThreshold.help}; person=0.6 for one class, as often as needed`,
}

export function addDetectOptions(command: Command): Command {
  command
    .addOption(
      flagOf({ scoreThreshold: SCORE_THRESHOLD }, 'scoreThreshold', {
        placeholder: '<number>',
        parse: parseThreshold,
      }),
    )
    .addOption(flagOf(DETECT_OPTIONS, 'classes', { placeholder: '<list>', parse: parseClasses }))
  return addFlags(command, DETECT_OPTIONS, NAMES)
}

export function detectOptionsOf(flags: DetectOptionsFlags): DetectOptions {
  return { ...flags.scoreThreshold, ...given(flags, [...NAMES, 'classes']) }
}
