import { basename } from 'node:path'
import { EfficientDetError } from '../base/errors.js'
import type { Weights } from '../graph/onnx-layers.js'
import type { WeightsOrigin } from '../models/preprocessing.js'
import type { Architecture, ModelSpec } from '../models/spec.js'
import { openCheckpoint } from './checkpoint.js'
import type { Decided, Question, WeightsOptions } from './decide.js'
import { ask, checkLabels, decide, specOf } from './decide.js'
import type { Identified } from './identify.js'
import { firstIdentified } from './identify-state.js'
import { fromMetadata } from './metadata.js'
import type { Checkpoint } from './tensor.js'
import { beginning } from './weights-file.js'

/** A model whose weights are in memory. */
export interface Model {
  readonly spec: ModelSpec
  readonly weights: Weights
  readonly origin: WeightsOrigin
  /** What was assumed or ignored: for people to read. */
  readonly notes: readonly string[]
}

/** What can be said of a file without reading a single weight. */
export interface Inspection {
  readonly format: Checkpoint['format']
  readonly naming: string
  readonly decided: Decided
  readonly identified: Omit<Identified, 'tensors' | 'naming' | 'notes'>
  readonly notes: readonly string[]
}

/** Opens a file, finds out what it is, hands it on, and closes it. */
async function withFile<T>(
  path: string,
  options: WeightsOptions,
  use: (checkpoint: Checkpoint, identified: Identified, decided: Decided) => Promise<T>,
): Promise<T> {
  const checkpoint = await openCheckpoint(path)
  try {
    const stored = fromMetadata(checkpoint.metadata)
    if (stored && options.variant !== undefined && options.variant !== stored.model) {
      throw new EfficientDetError(
        'ERR_INVALID_OPTION',
        `variant is '${options.variant}', but the file was converted as ${stored.model}. ` +
          'Leave the option out, or convert the original weights again.',
      )
    }
    const wanted = { variant: options.variant ?? stored?.model, prefix: options.prefix }
    const { state, identified } = firstIdentified(checkpoint, wanted)
    if (stored?.labels) checkLabels(stored.labels, identified.classes)
    const names = state.arch === undefined ? [basename(path)] : [basename(path), state.arch]
    return await use({ ...checkpoint, ...state }, identified, decide(identified, names, options, stored))
  } catch (error) {
    throw error instanceof EfficientDetError ? about(path, error) : error
  } finally {
    await checkpoint.close()
  }
}

/** What is wrong with tensors, metadata or options is found without knowing which file they belong to. */
function about(path: string, error: EfficientDetError): EfficientDetError {
  const { code, message, cause, details } = error
  const start = beginning({ path })
  return message.startsWith(start) ? error : new EfficientDetError(code, start + message, { cause, details })
}

/** Reads the header of a weights file: naming, variant, classes, what is assumed and what is open. */
export function inspectModelFile(path: string, options: WeightsOptions = {}): Promise<Inspection> {
  return withFile(path, options, async (checkpoint, identified, decided) => {
    const { prefix, variants, classes, anchorsPerCell, redundantBias } = identified
    return {
      format: checkpoint.format,
      naming: identified.naming.description,
      decided,
      identified: { prefix, variants, classes, anchorsPerCell, redundantBias },
      notes: notesOf(checkpoint, identified, decided),
    }
  })
}

/** A network whose weights are in memory; its spec is null where anything is open. */
export interface NetworkWeights
  extends Pick<Model, 'weights' | 'notes'>,
    Pick<Decided, 'architecture' | 'preprocessing' | 'spec'> {}

/**
 * Reads the network alone, which may do without some of what is open.
 *
 * @param asked the options that must not be open
 * @throws EfficientDetError as `readModelFile` does
 */
export function readNetwork(
  path: string,
  options: WeightsOptions,
  asked: readonly Question['option'][],
): Promise<NetworkWeights> {
  return withFile(path, options, async (checkpoint, identified, decided) => {
    ask(decided, asked)
    const { architecture, preprocessing, spec } = decided
    const weights = await readTensors(identified, architecture)
    return { architecture, preprocessing, spec, weights, notes: notesOf(checkpoint, identified, decided) }
  })
}

/**
 * Reads a whole weights file of any known kind.
 *
 * @throws EfficientDetError ERR_WEIGHTS, ERR_WEIGHTS_AMBIGUOUS, ERR_UNSAFE_PICKLE, ERR_LABELS,
 *   ERR_MODEL_NOT_FOUND, ERR_INVALID_OPTION
 */
export function readModelFile(path: string, options: WeightsOptions = {}): Promise<Model> {
  return withFile(path, options, async (checkpoint, identified, decided) => {
    const spec = specOf(decided)
    return {
      spec,
      weights: await readTensors(identified, spec.architecture),
      origin: fromMetadata(checkpoint.metadata)?.origin ?? identified.naming.origin,
      notes: notesOf(checkpoint, identified, decided),
    }
  })
}

async function readTensors(
  { prefix, naming, tensors }: Identified,
  { variant }: Architecture,
): Promise<Weights> {
  const weights = new Map<string, Float32Array>()
  for (const [name, tensor] of tensors) {
    const values = await tensor.read()
    checkValues(prefix + naming.nameOf(name, variant), name, values)
    weights.set(name, values)
  }
  return weights
}

function notesOf(checkpoint: Checkpoint, identified: Identified, decided: Decided): string[] {
  return [...checkpoint.notes, ...identified.notes, ...decided.notes]
}

/** Weights that would make every output NaN are refused here, where the tensor can still be named. */
function checkValues(fileName: string, name: string, values: Float32Array): void {
  const variance = name.endsWith('.running_var')
  const expected = variance ? 'variances of 0 or more' : 'finite numbers'
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (!Number.isFinite(value) || (variance && value < 0)) {
      throw new EfficientDetError(
        'ERR_WEIGHTS',
        `${fileName} holds ${value} at position ${i}; expected ${expected}. ` +
          'The training diverged or the file is damaged: use an earlier checkpoint.',
      )
    }
  }
}
