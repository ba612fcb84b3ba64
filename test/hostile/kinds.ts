import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { EfficientDetError } from '#lib/base/errors.js'
import { type Frame, PIXEL_FORMATS, planesOf } from '#lib/image/frame.js'
import { readSource, type Source } from '#lib/image/source.js'
import { checkDetectOptions } from '#lib/options/detect.js'
import { checkExportOptions } from '#lib/options/export.js'
import { checkLoadOptions } from '#lib/options/load.js'
import { openCheckpoint } from '#lib/weights/checkpoint.js'
import { derived } from '../fuzz/mutations.js'
import { outcomeOf, TARGETS } from '../fuzz/targets.js'
import { anything, hostileOptions } from '../helpers/any-options.js'
import { HEADER } from '../helpers/engines.js'
import { type Random, random } from '../helpers/random.js'
// @ts-expect-error It has no types, for programs import it too.
import { pictures } from './pictures.mjs'

/** Hostile inputs of one kind. */
export interface Kind {
  readonly name: string
  readonly count: number
  /** Makes the n-th input and uses it. @returns what became of it: `read`, or the code of the error */
  readonly attempt: (n: number) => Promise<string>
}

const MAX_PIXELS = 4e6

const folder = mkdtempSync(join(tmpdir(), 'efficientdet-hostile-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

async function outcome(use: () => unknown): Promise<string> {
  try {
    await use()
    return 'read'
  } catch (error) {
    if (error instanceof EfficientDetError && error.message.length < 20_000) return error.code
    throw error
  }
}

async function picture(source: Source): Promise<void> {
  const { frame } = await readSource(source, { maxPixels: MAX_PIXELS, signal: AbortSignal.timeout(60_000) })
  planesOf(frame)
  if (frame.width * frame.height > MAX_PIXELS) throw new Error('more pixels than are allowed')
}

/** Kinds with so many inputs each; `all` in all. */
export async function kinds(): Promise<Kind[]> {
  const rng = random(26)
  const known = (await pictures(folder)) as { name: string; source: () => Source }[]
  const small = known
    .map(({ source }) => source())
    .filter((it): it is Uint8Array<ArrayBuffer> => it instanceof Uint8Array && it.length < 200_000)
  const frames = fc.sample(anyFrame, { numRuns: 1500, seed: 26 })
  const options = fc.sample(hostileOptions, { numRuns: 1500, seed: 26 })
  return [
    {
      name: 'pictures by design',
      count: known.length,
      attempt: (n) => outcome(() => picture(known[n].source())),
    },
    { name: 'pictures, damaged', count: 2500, attempt: () => outcome(() => picture(damagedOf(small, rng))) },
    { name: 'frames', count: frames.length, attempt: (n) => outcome(() => picture(frames[n] as Frame)) },
    { name: 'options', count: options.length, attempt: (n) => outcome(() => checked(options[n], n)) },
    ...[...TARGETS].map(([name, target]) => {
      const corpus = corpusOf(name)
      return {
        name,
        count: name === 'pickle' || name === 'zip' ? 1200 : 1000,
        attempt: (n: number) =>
          outcomeOf(
            target,
            n < corpus.length && n % 2 === 0
              ? corpus[n]
              : derived(one(corpus, rng), one(corpus, rng), target.tokens, rng),
          ),
      }
    }),
    { name: 'weights files', count: 300, attempt: () => outcome(() => weightsFile(rng)) },
  ]
}

function one<T>(list: readonly T[], rng: Random): T {
  return list[rng.int(list.length)]
}

function damagedOf(files: readonly Uint8Array[], rng: Random): Uint8Array {
  return derived(
    one(files, rng),
    one(files, rng),
    ['\xff\xda', '\0\0\0\0', '\xff\xff\xff\xff', 'IDAT', 'RIFF', '<svg'],
    rng,
  )
}

function corpusOf(name: string): Uint8Array[] {
  const path = join('test', 'fixtures', 'fuzz', `${name}.json`)
  return (JSON.parse(readFileSync(path, 'utf8')) as string[]).map((each) => Buffer.from(each, 'base64'))
}

const number = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 64 }) as fc.Arbitrary<unknown> },
  fc.constantFrom<unknown>(0, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53, '64', null, undefined, 7n, {}),
)

const anyFrame = fc.record(
  {
    data: fc.oneof(
      { weight: 4, arbitrary: fc.constant<unknown>(new Uint8Array(20_000)) },
      fc.nat(20_000).map((length) => new Uint8Array(length)),
      fc.constantFrom<unknown>(null, [], 'abc', new Uint16Array(9), new ArrayBuffer(9), {}),
      anything,
    ),
    format: fc.oneof(
      fc.constantFrom(...PIXEL_FORMATS),
      fc.constantFrom<unknown>('', '__proto__', 'constructor', 7),
    ),
    width: number,
    height: number,
    stride: number,
    matrix: fc.constantFrom<unknown>('bt601', 'bt709', '__proto__', 0),
    range: fc.constantFrom<unknown>('full', 'limited', 'toString', 0),
  },
  { requiredKeys: ['data', 'format', 'width', 'height'] },
)

function checked(options: unknown, n: number): void {
  const check = [
    checkExportOptions,
    checkLoadOptions,
    (given: never) => checkDetectOptions(given, HEADER.spec),
  ][n % 3]
  check(options as never)
}

/** A file that begins as any kind does, under any name. */
async function weightsFile(rng: Random): Promise<void> {
  const [name, other] = [one([...TARGETS.keys()], rng), one([...TARGETS.keys()], rng)]
  const bytes = derived(
    one(corpusOf(name), rng),
    one(corpusOf(other), rng),
    ['PK\x03\x04', '\x80\x02', '{"'],
    rng,
  )
  const path = join(folder, `x${one(['.pth', '.safetensors', '.engine', ''], rng)}`)
  rmSync(path, { force: true })
  if (rng.int(20) === 0) execFileSync('mkfifo', [path])
  else writeFileSync(path, bytes)
  const checkpoint = await openCheckpoint(path)
  try {
    for (const { read } of checkpoint.tensors.values()) await read()
  } finally {
    await checkpoint.close()
  }
}
