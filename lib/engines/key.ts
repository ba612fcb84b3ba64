import { createHash } from 'node:crypto'
import type { EngineHeader } from './header.js'

/** What an engine is a function of. Labels and notes come along with it and change nothing. */
export type EngineIdentity = Pick<EngineHeader, 'target' | 'settings' | 'graph' | 'inputSize'> & {
  readonly spec: Pick<EngineHeader['spec'], 'anchors' | 'preprocessing'>
}

/**
 * The name under which an engine is kept: a hash of everything that decides it. The driver is no part: engines
 * outlive its updates.
 *
 * The graph's hash stands for weights, architecture, padding and precision, so that equal weights from anywhere find
 * the same engine.
 */
export function engineKey(identity: EngineIdentity): string {
  const facts = factsOf(identity).map(([, value]) => value)
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 40)
}

/** The facts that two engines differ in, with both values: `batch up to 1 instead of 8`. */
export function differences(found: EngineIdentity, expected: EngineIdentity): string[] {
  const wanted = factsOf(expected)
  return factsOf(found).flatMap(([name, value], i) =>
    value === wanted[i][1] ? [] : [`${name} ${value} instead of ${wanted[i][1]}`],
  )
}

function factsOf({
  target,
  settings,
  graph,
  inputSize,
  spec,
}: EngineIdentity): [name: string, value: string][] {
  return [
    ['family', target.family],
    ['TensorRT', target.libraryVersion],
    ['CUDA', target.cudaVersion],
    ['platform', target.platform],
    ['GPU', target.gpu ?? 'any'],
    ['compute capability', target.computeCapabilities.map(capabilityName).join(', ')],
    ['precision', settings.precision],
    ['batch up to', String(settings.maxBatchSize)],
    ['workspace', String(settings.workspaceBytes)],
    ['optimisation level', String(settings.optimisationLevel)],
    ['version-compatible', String(settings.versionCompatible)],
    ['hardware-compatible', String(settings.hardwareCompatible)],
    ['input', `${inputSize.height}×${inputSize.width}`],
    ['graph', graph],
    ['anchors', JSON.stringify([spec.anchors.anchorScale, spec.anchors.scales, spec.anchors.ratios])],
    [
      'preprocessing',
      JSON.stringify([
        spec.preprocessing.resize,
        spec.preprocessing.mean,
        spec.preprocessing.std,
        spec.preprocessing.fill,
      ]),
    ],
  ]
}

/** 89 → `8.9`, as NVIDIA writes it. */
export function capabilityName(capability: number): string {
  return `${Math.floor(capability / 10)}.${capability % 10}`
}
