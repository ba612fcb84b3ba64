import { type Command, Option } from 'commander'
import { NORMALIZATIONS, type Normalization } from '../models/preprocessing.js'
import type { ConvPadding, PoolPadding } from '../models/spec.js'
import { VARIANT_NAMES, type VariantName } from '../models/variants.js'
import type { WeightsOptions } from '../weights/decide.js'
import { parseNumber, parseRatios, parseScales } from './arguments.js'

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

export function addWeightsOptions(command: Command): Command {
  return command
    .option('--prefix <text>', "what the tensors' names begin with, where a file holds several networks")
    .addOption(
      new Option('--variant <name>', 'such as d7, where the tensors fit several').choices(VARIANT_NAMES),
    )
    .addOption(
      new Option('--preprocessing <kind>', 'how the trainer normalised pictures').choices(NORMALIZATIONS),
    )
    .addOption(
      new Option('--backbone-padding <rule>', "the backbone's padding").choices(['same', 'symmetric']),
    )
    .addOption(new Option('--fpn-padding <rule>', "the BiFPN's padding").choices(['same', 'symmetric']))
    .addOption(
      new Option('--pool-padding <value>', 'what max-pools see outside').choices(['infinity', 'zero']),
    )
    .option('--anchor-scale <number>', 'anchor side in strides, usually 4', parseNumber)
    .option('--anchor-scales <list>', 'octave scales, such as 1,1.26,1.59', parseScales)
    .option('--anchor-ratios <list>', 'width:height pairs, such as 1:1,1.4:0.7,0.7:1.4', parseRatios)
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
export function defined<T extends object>(entries: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never
}
