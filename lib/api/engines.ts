import { checkActivations } from '../backends/cpu/activation-range.js'
import { detectReference } from '../backends/cpu/reference-detections.js'
import { buildOrFind } from '../backends/tensorrt/build.js'
import { engineGraph } from '../backends/tensorrt/build-graph.js'
import { findTensorrt, knownFamily } from '../backends/tensorrt/find.js'
import { nativeError } from '../backends/tensorrt/native-error.js'
import { machineOf } from '../backends/tensorrt/target.js'
import { unavailableError } from '../backends/unavailable.js'
import { checkOutput } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { checkCompatibility } from '../engines/compatibility.js'
import { readEngine, writeEngine } from '../engines/engine-file.js'
import type { EngineHeader } from '../engines/header.js'
import { type EngineLayer, layersOf } from '../engines/layers.js'
import { resolveModel } from '../hub/resolve.js'
import { type BuildOptions, checkBuildOptions } from '../options/build.js'
import { checkPath } from '../options/checks.js'
import { checkInspectEngineOptions, type InspectEngineOptions } from '../options/inspect-engine.js'

/** An engine that is ready to be loaded. */
export interface BuiltEngine {
  readonly path: string
  /** Whether its plan was in the cache folder already. */
  readonly cached: boolean
  /** Size of the plan. */
  readonly bytes: number
  readonly header: EngineHeader
  /** Assumptions about the weights, and facts about this build. */
  readonly notes: readonly string[]
}

/**
 * Builds a TensorRT engine of a model, or takes it from the cache folder. The file needs nothing beside it:
 * `EfficientDet.load(path)`.
 *
 * In `fp16` the network is run on a few images first, where onnxruntime is there, to see that float16 can hold its
 * activations.
 *
 * @param model a bundled or pulled name, or a weights file
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_MODEL_NOT_FOUND, ERR_WEIGHTS, ERR_WEIGHTS_AMBIGUOUS,
 *   ERR_UNSAFE_PICKLE, ERR_LABELS, ERR_BACKEND_UNAVAILABLE, ERR_OUT_OF_MEMORY, ERR_OUTPUT; ERR_IMAGE or
 *   ERR_PACKAGE_FILE from the self-test's images; ERR_ENGINE (`details.log` is TensorRT's); the signal's reason
 */
export async function buildEngine(model: string, options: BuildOptions = {}): Promise<BuiltEngine> {
  const path = await resolveModel(checkPath('model', model))
  const { output, ...settings } = checkBuildOptions(options)
  const { engine, device, targets, signal } = settings
  if (output !== null) await checkOutput(output, path)
  signal?.throwIfAborted()
  const found = await findTensorrt({
    ...settings,
    family: engine.family,
    devices: targets.length > 0 ? [] : [device],
    purpose: 'build',
  })
  if ('unavailable' in found) throw unavailableError('tensorrt', found.unavailable)
  const request = { ...settings, path, checkActivations, detectReference }
  const built = await buildOrFind(found.native, await engineGraph(request), request)
  const { header, plan, cached, notKept } = built
  if (output !== null) await writeEngine(output, { header, plan }, request.signal)
  else if (notKept !== null) throw notKept
  return {
    path: output ?? built.path!,
    cached,
    bytes: plan.length,
    header,
    notes: [...header.notes, ...built.notes],
  }
}

export interface EngineInspection {
  readonly header: EngineHeader
  /** Bytes of the plan. */
  readonly bytes: number
  /** Layers of the engine, or null where it cannot be run. */
  readonly layers: readonly EngineLayer[] | null
  /** Why there are no layers, or null. */
  readonly reason: string | null
}

/**
 * Describes an engine file, after checking all of it; where its GPU is, with the layers and the precision that
 * TensorRT gave each.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_MODEL_NOT_FOUND, ERR_ENGINE; the signal's reason
 */
export async function inspectEngine(
  path: string,
  options: InspectEngineOptions = {},
): Promise<EngineInspection> {
  checkPath('path', path)
  const { device, signal, ...search } = checkInspectEngineOptions(options)
  signal?.throwIfAborted()
  const { header, plan } = await readEngine(path, () => {}, signal)
  const facts = { header, bytes: plan.length }
  const found = await findTensorrt({
    ...search,
    family: knownFamily(header.target.family),
    devices: [device],
  })
  if ('unavailable' in found) {
    return { ...facts, layers: null, reason: unavailableError('tensorrt', found.unavailable).message }
  }
  const { native } = found
  try {
    checkCompatibility(path, header, machineOf(native, device))
    const json = await native.addon.inspect(native.library, plan, device).catch((error: unknown) => {
      throw nativeError(error, 'The engine cannot be inspected')
    })
    return { ...facts, layers: layersOf(json), reason: null }
  } catch (error) {
    if (!(error instanceof EfficientDetError) || error.code === 'ERR_INVALID_OPTION') throw error
    return { ...facts, layers: null, reason: error.message }
  }
}
