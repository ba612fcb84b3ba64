import { VERSION } from '../../base/version.js'
import { type CachedEngine, cachedEngine } from '../../engines/cache.js'
import type { EngineRecipe } from '../../engines/header.js'
import type { BuildProgress } from '../../engines/progress.js'
import { testImages } from '../../engines/self-test/images.js'
import type { OpenRequest } from '../backend.js'
import type { EngineGraph } from './build-graph.js'
import { buildPlan } from './build-plan.js'
import type { NativeLibrary } from './library.js'
import { checkBuildMemory } from './memory-check.js'
import { referenceDetections } from './reference-detections.js'
import { targetOf } from './target.js'

export interface BuildRequest
  extends Pick<
    OpenRequest,
    | 'path'
    | 'weights'
    | 'inputSize'
    | 'maxBatchSize'
    | 'engine'
    | 'checkActivations'
    | 'detectReference'
    | 'signal'
  > {
  /** Number of the GPU to build on. */
  readonly device: number
  /** Compute capabilities, as 10·major + minor; empty for the device's own. */
  readonly targets: readonly number[]
  readonly onProgress: BuildProgress
}

/** An engine, and what is to be known about this build alone: tight memory, a folder that cannot be written. */
export interface BuiltPlan extends CachedEngine {
  readonly notes: readonly string[]
}

/** The engine of a graph: from the cache, or built. */
export async function buildOrFind(
  native: NativeLibrary,
  graph: EngineGraph,
  request: BuildRequest,
): Promise<BuiltPlan> {
  const { device, engine, signal, onProgress } = request
  const recipe = recipeOf(native, graph, request)
  const notes: string[] = []
  const built = await cachedEngine({
    recipe,
    onMismatch: engine.onMismatch,
    signal,
    onProgress,
    build: async (timingCache, onBuilding) => {
      if (engine.checkMemory) {
        const warning = await checkBuildMemory(native, recipe, device)
        if (warning !== null) notes.push(warning)
      }
      // Images that cannot be read fail before the long part.
      const images = engine.selfTest ? await testImages() : null
      if (engine.precision === 'fp16') {
        onBuilding({ fraction: 0, phase: "range of the network's activations" })
        const { path, weights, inputSize, checkActivations } = request
        const { checkMemory } = engine
        notes.push(...(await checkActivations({ path, weights, inputSize, checkMemory, signal })))
      }
      const { onnx } = graph
      const plan = await buildPlan(native, {
        recipe,
        onnx,
        device,
        timingCache,
        signal,
        onProgress: onBuilding,
      })
      if (images === null) return { ...plan, referenceDetections: null }
      // After it: the memory that both need does not add up.
      onBuilding({ fraction: 1, phase: 'reference detections for the self-test' })
      const reference = await referenceDetections(images, graph, request)
      if (reference.note !== null) notes.push(reference.note)
      return { ...plan, referenceDetections: reference.detections }
    },
  })
  onProgress({ fraction: 1, phase: built.cached ? 'built before' : 'built' })
  if (built.notKept !== null) {
    notes.push(`The engine is not kept, and the next start builds it again: ${built.notKept.message}`)
  }
  return { ...built, notes }
}

function recipeOf(
  native: NativeLibrary,
  { sha256, spec, inputSize, notes }: EngineGraph,
  { device, targets, maxBatchSize, engine }: BuildRequest,
): EngineRecipe {
  const { precision, workspaceBytes, optimisationLevel, versionCompatible, hardwareCompatible } = engine
  return {
    packageVersion: VERSION,
    target: targetOf(native, device, targets),
    settings: {
      precision,
      maxBatchSize,
      workspaceBytes,
      optimisationLevel,
      versionCompatible,
      hardwareCompatible,
    },
    graph: sha256,
    spec,
    inputSize,
    notes,
  }
}
