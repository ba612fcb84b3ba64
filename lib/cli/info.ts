import type { Command } from 'commander'
import { inspectWeights } from '../api/models.js'
import { countAnchors } from '../models/anchors.js'
import type { Size } from '../models/levels.js'
import { levelSizes } from '../models/levels.js'
import { type Architecture, officialArchitecture } from '../models/spec.js'
import {
  isVariantName,
  nativeInput,
  VARIANT_NAMES,
  type Variant,
  type VariantName,
  variant,
} from '../models/variants.js'
import { inventory } from '../network/parameters.js'
import { checkInteger, checkSize } from '../options/checks.js'
import type { Inspection } from '../weights/model-file.js'
import { parseInteger, parseSize } from './arguments.js'
import { print, printFacts, printJson } from './output.js'
import { formatTable } from './table.js'
import { addWeightsOptions, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

interface InfoFlags extends WeightsFlags {
  readonly classes: number
  readonly inputSize?: Size
  readonly json: boolean
}

export function addInfoCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('info')
    .description('tell about the variants of EfficientDet, or about a weights file')
    .argument(
      '[model]',
      'a variant such as d0, the bundled person, or a weights file; all variants if left out',
    )
    .option('--classes <n>', 'classes, for a variant', parseInteger, 90)
    .option('--input-size <HxW>', "height and width of a variant's input (default: its own)", parseSize)
    .option('--json', 'as JSON', false)
  addWeightsOptions(command).action(async (model: string | undefined, flags: InfoFlags) => {
    if (model === undefined) return printVariants(flags)
    const name = model.toLowerCase()
    if (isVariantName(name)) return printVariant(describe(variant(name), flags), flags.json)
    const inspection = await inspectWeights(model, { ...weightsOptionsOf(flags), signal })
    printFile(model, inspection, flags.json)
  })
}

/** Far more than any data set has. */
const MAX_CLASSES = 100_000

interface Description {
  readonly model: VariantName
  readonly input: Size
  readonly backbone: string
  readonly fpn: { readonly channels: number; readonly cells: number; readonly fusion: string }
  readonly headRepeats: number
  readonly activation: string
  readonly preprocessing: string
  readonly anchorScale: number
  readonly classes: number
  readonly levels: readonly ({ readonly level: string } & Size)[]
  readonly anchors: number
  readonly parameters: number
  /** Counted for one image. */
  readonly multiplyAdds: number
}

function describe(
  variant: Variant,
  { classes, inputSize }: { readonly classes: number; readonly inputSize?: Size },
  architecture: Architecture = officialArchitecture(variant, classes),
): Description {
  const { name, maxLevel, backbone, fpnChannels, fpnCells, fusion, headRepeats } = variant
  checkInteger('--classes', classes, 1, MAX_CLASSES)
  const input = inputSize === undefined ? nativeInput(variant) : checkSize('--input-size', inputSize)
  const { parameters, multiplyAdds } = inventory(architecture, input)
  return {
    model: name,
    input,
    backbone: `efficientnet-${backbone}`,
    fpn: { channels: fpnChannels, cells: fpnCells, fusion },
    headRepeats,
    activation: variant.activation,
    preprocessing: variant.normalization,
    anchorScale: variant.anchorScale,
    classes,
    levels: levelSizes(input, maxLevel).map((level, i) => ({ level: `P${i + 3}`, ...level })),
    anchors: countAnchors(input, maxLevel, architecture.anchorsPerCell),
    parameters,
    multiplyAdds,
  }
}

function printVariants(flags: InfoFlags): void {
  const all = VARIANT_NAMES.map((name) => describe(variant(name), flags))
  if (flags.json) {
    printJson(all, 2)
    return
  }
  const header = ['model', 'input', 'backbone', 'levels', 'anchors', 'parameters', 'multiply-adds']
  const alignments = header.map((_, i) => (i < 4 ? 'left' : 'right'))
  const rows = all.map(({ model, input, backbone, levels, anchors, parameters, multiplyAdds }) => [
    model,
    `${input.height}×${input.width}`,
    backbone,
    `${levels[0].level}–${levels.at(-1)!.level}`,
    grouped(anchors),
    grouped(parameters),
    billions(multiplyAdds),
  ])
  print(...formatTable([header, ...rows], alignments))
}

function printVariant(one: Description, json: boolean): void {
  if (json) {
    printJson(one, 2)
    return
  }
  print(`EfficientDet-${one.model}`)
  printFacts({
    ...factsOf(one),
    preprocessing: one.preprocessing,
    heads: `${one.headRepeats} repeats, ${one.classes} class${one.classes === 1 ? '' : 'es'}`,
  })
}

function factsOf(one: Description): Record<string, string> {
  return {
    input: `${one.input.height} high × ${one.input.width} wide, RGB`,
    backbone: `${one.backbone}, ${one.activation}`,
    BiFPN: `${one.fpn.cells} cells of ${one.fpn.channels} channels, ${one.fpn.fusion} fusion`,
    levels: one.levels.map(({ level, height, width }) => `${level} ${height}×${width}`).join(', '),
    anchors: `${grouped(one.anchors)}, of ${one.anchorScale} strides`,
    parameters: grouped(one.parameters),
    'multiply-adds': billions(one.multiplyAdds),
  }
}

function printFile(path: string, inspection: Inspection, json: boolean): void {
  const { format, naming, identified, decided, notes } = inspection
  const candidates = identified.variants.map(({ name }) => name)
  const [first, ...others] = identified.variants
  const { spec } = decided
  const known = spec?.architecture.variant ?? (others.length === 0 ? first : null)
  const description = known && describe(known, identified, spec?.architecture)
  if (json) {
    const { prefix, classes, anchorsPerCell } = identified
    const { questions } = decided
    printJson(
      {
        file: path,
        format,
        naming,
        prefix,
        model: known?.name ?? null,
        candidates,
        classes,
        anchorsPerCell,
        preprocessing: spec?.preprocessing ?? null,
        padding: spec?.architecture.padding ?? null,
        anchors: spec?.anchors ?? null,
        labels: spec?.labels ?? null,
        architecture: description,
        notes,
        questions: questions.map(({ text }) => text),
      },
      2,
    )
    return
  }
  const labels = spec?.labels
  print(path)
  printFacts({
    format: `${format}, ${naming}${identified.prefix === '' ? '' : `, every name after "${identified.prefix}"`}`,
    model: candidates.map((name) => `EfficientDet-${name}`).join(' or '),
    classes: String(identified.classes) + (labels ? ` (${someOf(labels)})` : ''),
    'anchors per cell': String(identified.anchorsPerCell),
    ...(spec !== null && {
      preprocessing: `${spec.preprocessing.resize} resize, mean ${spec.preprocessing.mean.join(' ')}, std ${spec.preprocessing.std.join(' ')}, fill ${spec.preprocessing.fill.join(' ')}`,
      padding: `backbone ${spec.architecture.padding.backbone}, BiFPN ${spec.architecture.padding.fpn}, max-pool ${spec.architecture.padding.pool}`,
    }),
    ...(description && factsOf(description)),
  })
  for (const note of notes) print(`  note: ${note}`)
  for (const { text } of decided.questions) print(`  open: ${text}`)
}

function someOf(labels: readonly string[]): string {
  const named = labels.filter((label) => label !== '')
  return named.length <= 5 ? named.join(', ') : `${named.slice(0, 3).join(', ')} … ${named.at(-1)}`
}

function grouped(count: number): string {
  return count.toLocaleString('en')
}

function billions(count: number): string {
  return `${(count / 1e9).toFixed(2)} G`
}
