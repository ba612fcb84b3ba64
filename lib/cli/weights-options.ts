import { type Command, Option } from 'commander'
import type { Normalization } from '../models/preprocessing.js'
import type { ConvPadding, PoolPadding } from '../models/spec.js'
import type { VariantName } from '../models/variants.js'
import { ANCHOR_OPTIONS, PADDING_OPTIONS, WEIGHTS_OPTIONS } from '../options/weights.js'
import type { WeightsOptions } from '../weights/decide.js'
import { parsePath, parseRatios, parseScales } from './arguments.js'
import { addFlags, flagOf } from './flags.js'

/** The options that tell what a weights file does not, as commander parses them. */
export interface WeightsFlags {
  readonly prefix?: string
  readonly variant?: VariantName
  readonly preprocessing?: Normalization
  readonly backbonePadding?: ConvPadding
  readonly fpnPadding?: ConvPadding
  readonly poolPadding?: PoolPadding
  readonly anchorScale?: number
  readonly anchorScales?: number[]
  readonly anchorRatios?: [number, number][]
}

/** The file that `readLabels` reads. */
export function labelsFlag(): Option {
  return new Option('--labels <file>', 'class names: one a line, or CSV, JSON, YAML, pbtxt').argParser(
    parsePath,
  )
}

export function addWeightsOptions(command: Command): Command {
  command
    .addOption(flagOf(WEIGHTS_OPTIONS, 'prefix', { placeholder: '<text>' }))
    .addOption(flagOf({ backbonePadding: PADDING_OPTIONS.backbone }, 'backbonePadding'))
    .addOption(flagOf({ fpnPadding: PADDING_OPTIONS.fpn }, 'fpnPadding'))
    .addOption(flagOf({ poolPadding: PADDING_OPTIONS.pool }, 'poolPadding'))
    .addOption(flagOf(ANCHOR_OPTIONS, 'anchorScale'))
    .addOption(
      flagOf({ anchorScales: ANCHOR_OPTIONS.scales }, 'anchorScales', {
        placeholder: '<list>',
        parse: parseScales,
      }),
    )
    .addOption(
      flagOf({ anchorRatios: ANCHOR_OPTIONS.ratios }, 'anchorRatios', {
        placeholder: '<list>',
        parse: parseRatios,
      }),
    )
  return addFlags(command, WEIGHTS_OPTIONS, ['variant', 'preprocessing'])
}

export function weightsOptionsOf(flags: WeightsFlags): WeightsOptions {
  const padding = defined({
    backbone: flags.backbonePadding,
    fpn: flags.fpnPadding,
    pool: flags.poolPadding,
  })
  const anchors = defined({
    anchorScale: flags.anchorScale,
    scales: flags.anchorScales,
    ratios: flags.anchorRatios,
  })
  return defined({
    prefix: flags.prefix,
    variant: flags.variant,
    preprocessing: flags.preprocessing,
    padding: Object.keys(padding).length > 0 ? padding : undefined,
    anchors: Object.keys(anchors).length > 0 ? anchors : undefined,
  })
}

/** Leaves out the entries that are undefined. */
function defined<T extends object>(entries: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never
}
