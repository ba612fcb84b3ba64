import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeHead } from '#lib/engines/file-format.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { confined, notConfined, type Outcome } from '../helpers/confined.js'
import { HEADER } from '../helpers/engines.js'

// biome-ignore lint/suspicious/noExplicitAny: forged headers have no type.
type Header = any

/** Reads an engine file of a changed header, which is rightly signed, in a process of its own. */
async function read(change: (header: Header) => unknown): Promise<Outcome> {
  const whole = Buffer.from(encodeHead(HEADER, 0, createHash('sha256').digest()))
  const header: Header = JSON.parse(whole.toString('utf8', 88))
  const changed = change(header)
  const json = Buffer.from(typeof changed === 'string' ? changed : JSON.stringify(header))
  const preamble = Buffer.from(whole.subarray(0, 88))
  preamble.writeUInt32LE(json.length, 12)
  createHash('sha256').update(preamble.subarray(0, 56)).update(json).digest().copy(preamble, 56)
  const path = await temporaryFile(Buffer.concat([preamble, json]), 'x.engine')
  return confined(
    { readEngine: 'engines/engine-file.js' },
    'const { header } = await readEngine(argument); return header.spec.architecture.classes',
    path,
  )
}

const MAX_MILLISECONDS = 5000
const MAX_GROWTH = 300 * 2 ** 20

describe.skipIf(notConfined !== null)('a forged engine header', () => {
  it.each<[string, (header: Header) => unknown]>([
    [
      '30,000,000 classes',
      ({ spec }) =>
        Object.assign(spec, { architecture: { ...spec.architecture, classes: 3e7 }, labels: null }),
    ],
    [
      'classes beyond 2⁵³',
      ({ spec }) => {
        spec.architecture.classes = 2 ** 60
      },
    ],
    ['an input of 12000²', ({ inputSize }) => Object.assign(inputSize, { height: 12000, width: 12000 })],
    [
      'an input of 10⁹',
      (header) => {
        header.inputSize = { height: 1e9, width: 1e9 }
      },
    ],
    [
      'a flat input of 10⁹',
      (header) => {
        header.inputSize = { height: 1, width: 1e9 }
      },
    ],
    [
      'ten thousand anchors per cell',
      ({ spec }) => {
        const hundred = Array(100).fill(1)
        spec.anchors = { anchorScale: 4, scales: hundred, ratios: hundred.map(() => [1, 1]) }
        spec.architecture.anchorsPerCell = 10_000
      },
    ],
    [
      'a million anchors per cell',
      ({ spec }) => {
        spec.anchors = { anchorScale: 4, scales: Array(1000).fill(1), ratios: Array(1000).fill([1, 1]) }
        spec.architecture.anchorsPerCell = 1e6
      },
    ],
    [
      'class scores beyond 2³¹',
      (header) => {
        header.inputSize = { height: 8192, width: 8192 }
        header.spec.architecture.classes = 60_000
        header.spec.labels = null
      },
    ],
    [
      'anchors of 10³⁰⁰',
      ({ spec }) => {
        spec.anchors.scales = [1e300, 1, 1]
      },
    ],
    [
      '300,000 compute capabilities',
      ({ target }) => {
        target.computeCapabilities = Array(300_000).fill(89)
      },
    ],
    [
      'a compute capability of 10¹⁵',
      ({ target }) => {
        target.computeCapabilities = [1e15]
      },
    ],
    [
      'a batch of a million',
      ({ settings }) => {
        settings.maxBatchSize = 1e6
      },
    ],
    [
      'a workspace of 10¹⁵',
      ({ settings }) => {
        settings.workspaceBytes = 1e15
      },
    ],
    [
      'optimisation level 1000',
      ({ settings }) => {
        settings.optimisationLevel = 1000
      },
    ],
    [
      'a label of a million letters',
      ({ spec }) => {
        spec.labels[0] = 'a'.repeat(1e6)
      },
    ],
    [
      'labels of two million letters together',
      ({ spec }) =>
        Object.assign(spec, {
          architecture: { ...spec.architecture, classes: 5000 },
          labels: Array(5000).fill('a'.repeat(400)),
        }),
    ],
    [
      'a GPU of a million letters',
      ({ target }) => {
        target.gpu = 'G'.repeat(1e6)
      },
    ],
    [
      'a million notes',
      (header) => {
        header.notes = Array(1e6).fill('n')
      },
    ],
    ['eight million bytes of brackets', () => '['.repeat(8e6)],
    ['four million numbers', () => `[${'0,'.repeat(4e6)}0]`],
    [
      'a header of 15 MB',
      (header) => {
        header.more = 'a'.repeat(15e6)
      },
    ],
  ])('of %s is refused at once', async (_, change) => {
    const { outcome, message, cpuMilliseconds, grownBytes } = await read(change)
    expect([outcome, message]).toEqual(['ERR_ENGINE', expect.stringMatching(/cannot read|cannot be/)])
    expect(cpuMilliseconds).toBeLessThan(MAX_MILLISECONDS)
    expect(grownBytes).toBeLessThan(MAX_GROWTH)
  })

  it('of the most classes with labels is read', async () => {
    const { outcome } = await read(({ spec, inputSize }) => {
      Object.assign(inputSize, { height: 256, width: 256 })
      Object.assign(spec, {
        architecture: { ...spec.architecture, classes: 65_536 },
        labels: Array.from({ length: 65_536 }, (_, i) => `class no. ${i}`),
      })
    })
    expect(outcome).toBe('65536')
  })
})
