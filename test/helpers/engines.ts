import type { EngineFile } from '#lib/engines/engine-file.js'
import type { EngineHeader } from '#lib/engines/header.js'
import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { random } from './random.js'

/** A header as a build writes it. */
export const HEADER: EngineHeader = {
  packageVersion: '0.1.0',
  target: {
    family: 'tensorrt10',
    libraryVersion: '10.15.1',
    cudaVersion: '13.0',
    platform: 'linux-x64',
    gpu: 'NVIDIA GeForce RTX 4090',
    computeCapabilities: [89],
  },
  settings: {
    precision: 'fp16',
    maxBatchSize: 8,
    workspaceBytes: 0,
    optimisationLevel: -1,
    versionCompatible: false,
    hardwareCompatible: false,
  },
  graph: '0123456789abcdef'.repeat(4),
  spec: {
    architecture: officialArchitecture(variant('d0'), 2),
    anchors: { anchorScale: 4, scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS },
    preprocessing: preprocessingOf('effdet', 'imagenet'),
    labels: ['chat', '犬'],
  },
  inputSize: { height: 384, width: 640 },
  notes: ['The padding was assumed.'],
  referenceDetections: [0, 1, 2].map((i) => ({
    boxes: Float32Array.of(10.25, 20, 300.5, 40 + i, -0.75, 0, 8, 9),
    scores: Float32Array.of(0.75, 0.125),
    classIds: Uint32Array.of(1, 0),
  })),
}

/** An engine whose plan is noise. */
export function engineOf(header: EngineHeader = HEADER, planBytes = 3000): EngineFile {
  const rng = random(7)
  return { header, plan: Uint8Array.from({ length: planBytes }, () => rng.int(256)) }
}
