import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'
import type { AnchorConfig } from '../models/anchors.js'
import { isAnchors, isLabels, isPadding, isPreprocessing } from '../models/guards.js'
import type { Preprocessing, WeightsOrigin } from '../models/preprocessing.js'
import type { ModelSpec, Padding } from '../models/spec.js'
import type { VariantName } from '../models/variants.js'
import { isVariantName } from '../models/variants.js'

/** Marks a safetensors file as ours. */
const FORMAT_KEY = 'format'
const FORMAT = 'efficientdet-trt/1'

/** What our safetensors files say beside the tensors. */
export interface StoredSpec {
  readonly model: VariantName
  readonly origin: WeightsOrigin
  readonly preprocessing: Preprocessing
  readonly padding: Padding
  readonly anchors: AnchorConfig
  readonly labels: readonly string[] | null
}

/** The metadata of a model: every value is a string, structures are JSON, as safetensors wants it. */
export function toMetadata(spec: ModelSpec, origin: WeightsOrigin, source: string): Record<string, string> {
  const { architecture, preprocessing, anchors, labels } = spec
  return {
    [FORMAT_KEY]: FORMAT,
    model: architecture.variant.name,
    classes: String(architecture.classes),
    origin,
    source,
    preprocessing: JSON.stringify(preprocessing),
    padding: JSON.stringify(architecture.padding),
    anchors: JSON.stringify(anchors),
    labels: JSON.stringify(labels),
  }
}

/**
 * Reads it back; null for a file that is not ours.
 *
 * @throws EfficientDetError ERR_WEIGHTS for a file that says to be ours and is not right
 */
export function fromMetadata(metadata: Readonly<Record<string, string>>): StoredSpec | null {
  if (!metadata[FORMAT_KEY]?.startsWith('efficientdet-trt/')) return null
  if (metadata[FORMAT_KEY] !== FORMAT) {
    throw damaged(`its format is ${abridged(metadata[FORMAT_KEY])} and this version reads ${FORMAT}`)
  }
  const { model = '', origin } = metadata
  if (!isVariantName(model)) throw damaged(`its model is "${abridged(model)}"`)
  if (origin !== 'effdet' && origin !== 'zylo') throw damaged(`its origin is "${abridged(origin ?? '')}"`)
  return {
    model,
    origin,
    preprocessing: parse(metadata, 'preprocessing', isPreprocessing),
    padding: parse(metadata, 'padding', isPadding),
    anchors: parse(metadata, 'anchors', isAnchors),
    labels: parse(metadata, 'labels', isLabels),
  }
}

function damaged(why: string): EfficientDetError {
  return new EfficientDetError(
    'ERR_WEIGHTS',
    `The file says to be a model of this package, but ${why}. Convert the original weights again.`,
  )
}

function parse<T>(
  metadata: Readonly<Record<string, string>>,
  key: string,
  is: (value: unknown) => value is T,
): T {
  let value: unknown
  try {
    value = JSON.parse(metadata[key] ?? '')
  } catch {
    throw damaged(`its ${key} is not JSON`)
  }
  if (!is(value)) throw damaged(`its ${key} is ${abridged(metadata[key])}`)
  return value
}
