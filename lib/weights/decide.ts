import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'
import type { AnchorConfig } from '../models/anchors.js'
import { anchorsPerCell, DEFAULT_RATIOS, DEFAULT_SCALES } from '../models/anchors.js'
import { COCO_LABELS } from '../models/labels.js'
import type { Normalization, Preprocessing } from '../models/preprocessing.js'
import { preprocessingOf } from '../models/preprocessing.js'
import type { Architecture, ModelSpec, Padding } from '../models/spec.js'
import type { Variant, VariantName } from '../models/variants.js'
import { isVariantName } from '../models/variants.js'
import type { Identified } from './identify.js'
import type { StoredSpec } from './metadata.js'

/** What a caller may say about weights, over everything that is stored or guessed. */
export interface WeightsOptions {
  /** What the names of the network's tensors begin with, where a file holds several, such as `student.`. */
  readonly prefix?: string
  /** The variant, where tensors fit several (D6 and D7). */
  readonly variant?: VariantName
  /** How the trainer normalised images. */
  readonly preprocessing?: Normalization
  readonly padding?: Partial<Padding>
  readonly anchors?: Partial<AnchorConfig>
  /** One name per class, empty for classes without; `readLabels` reads them from a file. */
  readonly labels?: readonly string[]
}

/** What nothing decides. */
export interface Question {
  /** The option that decides it. */
  readonly option: 'variant' | 'anchors'
  /** What is open and how to say it, in a sentence. */
  readonly text: string
}

/** Everything that is known of a model; with no questions left it is a whole `ModelSpec`. */
export interface Decided {
  /** The network, of the first of the variants that fit. */
  readonly architecture: Architecture
  readonly preprocessing: Preprocessing
  readonly spec: ModelSpec | null
  /** What was assumed, and why: for people to read. */
  readonly notes: readonly string[]
  readonly questions: readonly Question[]
}

/** Hints lie in names: of the file, and of the architecture as timm's saver writes it. */
interface Hint {
  readonly text: string
  readonly variant: VariantName
  /** Whether it is the whole name of a configuration of effdet, not a variant alone. */
  readonly configuration: boolean
  readonly tensorflow: boolean
  readonly advprop: boolean
}

function hintIn(text: string): Hint | null {
  const match =
    /(?<config>(?<tf>tf_)?efficientdet[-_ ]?)(?<variant>d7x|d[0-7]|lite3x|lite[0-4])(?<ap>_ap)?(?![a-z0-9])/i.exec(
      text,
    ) ?? /(?<![a-z0-9])(?<variant>d7x|d[0-7]|lite3x|lite[0-4])(?<ap>_ap)?(?![a-z0-9])/i.exec(text)
  const variant = match?.groups?.variant?.toLowerCase()
  if (match === null || variant === undefined || !isVariantName(variant)) return null
  return {
    text,
    variant,
    configuration: match.groups?.config !== undefined,
    tensorflow: match.groups?.tf !== undefined,
    advprop: match.groups?.ap !== undefined,
  }
}

/**
 * Decides what the tensors leave open: by options, then what our own files store, the naming, and hints in names
 * (said in the notes); the rest are questions.
 *
 * @param names the file's base name and, if the checkpoint tells it, the architecture's
 * @throws EfficientDetError ERR_INVALID_OPTION for anchors that do not fit the heads, ERR_LABELS for a list of labels
 *   of the wrong length
 */
export function decide(
  identified: Identified,
  names: readonly string[],
  options: WeightsOptions,
  stored: StoredSpec | null,
): Decided {
  const notes: string[] = []
  const questions: Question[] = []
  const hints = names.map(hintIn).filter((found) => found !== null)
  const hint = hints.find(({ configuration }) => configuration) ?? hints[0] ?? null
  const variant = decideVariant(identified, hint, notes, questions)
  const anchors = decideAnchors(identified, variant, options, stored, questions)
  const preprocessing = decidePreprocessing(identified, hint, options, stored, notes)
  const padding = decidePadding(identified, variant, hint, options, stored, notes)
  const labels = decideLabels(identified, options, stored, notes)
  const { classes, redundantBias } = identified
  const architecture: Architecture = {
    variant,
    classes,
    anchorsPerCell: identified.anchorsPerCell,
    redundantBias,
    padding,
  }
  const spec =
    anchors !== null && questions.length === 0 ? { architecture, anchors, preprocessing, labels } : null
  return { architecture, preprocessing, spec, notes, questions }
}

/**
 * Asks the open questions about these options all at once.
 *
 * @throws EfficientDetError ERR_WEIGHTS_AMBIGUOUS
 */
export function ask({ questions }: Decided, about: readonly Question['option'][]): void {
  const open = questions.filter(({ option }) => about.includes(option))
  if (open.length === 0) return
  const texts = open.map(({ text }) => text)
  throw new EfficientDetError('ERR_WEIGHTS_AMBIGUOUS', texts.join(' '), { details: { questions: texts } })
}

/** The spec, or an error that asks every open question. */
export function specOf(decided: Decided): ModelSpec {
  ask(decided, ['variant', 'anchors'])
  return decided.spec!
}

function decideVariant(
  { variants }: Identified,
  hint: Hint | null,
  notes: string[],
  questions: Question[],
): Variant {
  const [first] = variants
  if (variants.length === 1) return first
  const names = variants.map(({ name }) => name)
  const hinted = variants.find(({ name }) => name === hint?.variant)
  if (hinted !== undefined) {
    notes.push(`${names.join(' and ')} have the same tensors; ${hinted.name} by the name "${hint!.text}".`)
    return hinted
  }
  questions.push({
    option: 'variant',
    text:
      `The tensors fit ${names.join(' and ')}, which differ in input size and anchors: ` +
      `say which (variant: ${names.map((name) => `'${name}'`).join(' or ')}; --variant on the command line).`,
  })
  return first
}

function decideAnchors(
  identified: Identified,
  variant: Variant,
  { anchors: given }: WeightsOptions,
  stored: StoredSpec | null,
  questions: Question[],
): AnchorConfig | null {
  const perCell = identified.anchorsPerCell
  const anchors: AnchorConfig = {
    anchorScale: given?.anchorScale ?? stored?.anchors.anchorScale ?? variant.anchorScale,
    scales: given?.scales ?? stored?.anchors.scales ?? DEFAULT_SCALES,
    ratios: given?.ratios ?? stored?.anchors.ratios ?? DEFAULT_RATIOS,
  }
  if (anchorsPerCell(anchors) === perCell) return anchors
  const found = `${anchors.scales.length} scales × ${anchors.ratios.length} ratios`
  if (given?.scales !== undefined || given?.ratios !== undefined) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `The heads have ${perCell} anchors per cell, and ${found} make ${anchorsPerCell(anchors)}. ` +
        'Give the scales and ratios that the weights were trained with.',
    )
  }
  questions.push({
    option: 'anchors',
    text:
      `The heads have ${perCell} anchors per cell, not the usual 9: give the scales and ratios they were ` +
      'trained with (anchors: { scales, ratios }; ' +
      "--anchor-scales '1,1.26,1.59' --anchor-ratios '1:1,1.4:0.7,0.7:1.4').",
  })
  return null
}

function decidePreprocessing(
  { naming, variants: [first] }: Identified,
  hint: Hint | null,
  { preprocessing: given }: WeightsOptions,
  stored: StoredSpec | null,
  notes: string[],
): Preprocessing {
  if (given !== undefined) return preprocessingOf(stored?.origin ?? naming.origin, given)
  if (stored !== null) return stored.preprocessing
  // AdvProp was trained for D0…D5 of TensorFlow alone, and only effdet carries its weights.
  const couldBeAdvProp = naming.origin === 'effdet' && /^d[0-5]$/.test(first.name)
  if (!couldBeAdvProp) return preprocessingOf(naming.origin, first.normalization)
  if (hint?.configuration || hint?.advprop) {
    const normalization: Normalization = hint.advprop ? 'advprop' : first.normalization
    notes.push(`Preprocessing: ${normalization}, by the name "${hint.text}"; the tensors cannot tell.`)
    return preprocessingOf(naming.origin, normalization)
  }
  notes.push(
    "Preprocessing: imagenet, assumed. The tensors cannot tell AdvProp's weights, whose official files are named " +
      "_ap: for those say so (preprocessing: 'advprop'; --preprocessing advprop).",
  )
  return preprocessingOf(naming.origin, first.normalization)
}

/** effdet model_config.py: these configurations pad the BiFPN symmetrically too, the others as TensorFlow. */
const SYMMETRIC_FPN: ReadonlySet<VariantName> = new Set(['d0', 'd1', 'd2', 'd3'])

function decidePadding(
  { naming, redundantBias }: Identified,
  variant: Variant,
  hint: Hint | null,
  { padding: given }: WeightsOptions,
  stored: StoredSpec | null,
  notes: string[],
): Padding {
  if (stored !== null) return { ...stored.padding, ...given }
  if (naming.origin === 'zylo') return { backbone: 'same', fpn: 'same', pool: 'zero', ...given }
  const tensorflow: Padding = { backbone: 'same', fpn: 'same', pool: 'infinity' }
  const native: Padding = {
    backbone: 'symmetric',
    fpn: SYMMETRIC_FPN.has(variant.name) ? 'symmetric' : 'same',
    pool: 'infinity',
  }
  const named = hint?.configuration === true
  const assumed = (named ? hint.tensorflow : redundantBias) ? tensorflow : native
  if (given?.backbone === undefined || given.fpn === undefined) {
    const because = named
      ? `by the name "${hint.text}"`
      : `because the BiFPN's convolutions have ${redundantBias ? '' : 'no '}redundant biases, ` +
        `as ${redundantBias ? "TensorFlow's" : "effdet's native"} weights`
    notes.push(
      `Padding: backbone ${given?.backbone ?? assumed.backbone}, BiFPN ${given?.fpn ?? assumed.fpn}, assumed ` +
        `${because}. The tensors cannot tell: if results are poor, try others ` +
        '(padding: { backbone, fpn }; --backbone-padding, --fpn-padding).',
    )
  }
  return { ...assumed, ...given }
}

function decideLabels(
  { classes }: Identified,
  { labels: given }: WeightsOptions,
  stored: StoredSpec | null,
  notes: string[],
): readonly string[] | null {
  if (given !== undefined) return checkLabels(given, classes)
  if (stored !== null) return stored.labels
  if (classes !== COCO_LABELS.length) return null
  notes.push("Labels: COCO's, assumed because there are 90 classes.")
  return COCO_LABELS
}

/**
 * Accepts a list of labels only if it names every class, without control characters.
 *
 * @throws EfficientDetError ERR_LABELS with both numbers, or the label
 */
export function checkLabels(labels: readonly string[], classes: number): readonly string[] {
  const wrong = labels.findIndex((label) => /\p{Cc}/u.test(label))
  if (wrong >= 0) {
    throw new EfficientDetError(
      'ERR_LABELS',
      `The label of class ${wrong} has a control character ("${abridged(labels[wrong]!)}"). ` +
        'Give names of one line without them.',
    )
  }
  if (labels.length === classes) return labels
  const coco = classes === 90 && labels.length === 80
  throw new EfficientDetError(
    'ERR_LABELS',
    `There ${labels.length === 1 ? 'is 1 label' : `are ${labels.length} labels`}, and the model has ${classes} class${classes === 1 ? '' : 'es'}. ` +
      (coco
        ? "COCO's 80 names leave out ten unused ids among 90: use the 90 lines with gaps, " +
          "or no labels for COCO's own."
        : 'Give one label per class, in the order of the class ids, with no line for a background.'),
  )
}
