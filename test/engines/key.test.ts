import { describe, expect, it } from 'vitest'
import type { EngineHeader } from '#lib/engines/header.js'
import { headerFromJson, headerToJson } from '#lib/engines/header.js'
import { differences, engineKey } from '#lib/engines/key.js'
import { HEADER } from '../helpers/engines.js'

/** Everything that makes it another engine, one at a time. */
const OTHERS: readonly (readonly [what: string, header: EngineHeader])[] = [
  ...Object.entries({
    family: 'tensorrt11',
    libraryVersion: '10.3.0',
    cudaVersion: '12.6',
    platform: 'linux-arm64',
    gpu: 'NVIDIA L4',
    computeCapabilities: [86],
  }).map(([name, value]) => [name, { ...HEADER, target: { ...HEADER.target, [name]: value } }] as const),
  ...Object.entries({
    precision: 'fp32',
    maxBatchSize: 1,
    workspaceBytes: 1e6,
    optimisationLevel: 3,
    versionCompatible: true,
    hardwareCompatible: true,
  }).map(
    ([name, value]) =>
      [name, { ...HEADER, settings: { ...HEADER.settings, [name]: value } } as EngineHeader] as const,
  ),
  ['graph', { ...HEADER, graph: 'f'.repeat(64) }],
  ['input size', { ...HEADER, inputSize: { height: 640, width: 384 } }],
  ['anchors', { ...HEADER, spec: { ...HEADER.spec, anchors: { ...HEADER.spec.anchors, anchorScale: 5 } } }],
  [
    'preprocessing',
    {
      ...HEADER,
      spec: { ...HEADER.spec, preprocessing: { ...HEADER.spec.preprocessing, resize: 'bilinear' } },
    },
  ],
]

describe('the key of an engine', () => {
  it('is the same for the same engine, whatever came between', () => {
    const again = headerFromJson(Buffer.from(headerToJson(HEADER)))!
    expect(engineKey(again)).toBe(engineKey(HEADER))
    expect(differences(again, HEADER)).toEqual([])
  })

  it('does not depend on labels, notes, answers or the version of this package', () => {
    const { spec } = HEADER
    const other = {
      ...HEADER,
      spec: { ...spec, labels: null },
      notes: [],
      answers: null,
      packageVersion: '9.9.9',
    }
    expect(engineKey(other)).toBe(engineKey(HEADER))
    expect(differences(other, HEADER)).toEqual([])
  })

  it('is another for everything that decides the engine', () => {
    const keys = OTHERS.map(([, header]) => engineKey(header))
    expect(new Set([engineKey(HEADER), ...keys]).size).toBe(OTHERS.length + 1)
  })

  it.each(OTHERS)('differs in one fact where it differs in one: %s', (_, header) => {
    expect(differences(header, HEADER)).toHaveLength(1)
  })

  it('tells both values', () => {
    expect(differences(OTHERS[1][1], HEADER)).toEqual(['TensorRT 10.3.0 instead of 10.15.1'])
  })
})
