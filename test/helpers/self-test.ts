import { join } from 'node:path'
import { COMPARED_DETECTIONS } from '#lib/engines/self-test/comparison.js'
import { testImages } from '#lib/engines/self-test/images.js'
import { type BuildOptions, buildEngine, EfficientDet, type LoadOptions, packDetections } from '#lib/index.js'
import { temporaryFile, temporaryFolder } from './checkpoints.js'
import { FAKE_BACKEND } from './native.js'
import { refusal } from './refusal.js'

/** Batches of 1, 2, 4 and 8 with each of these full and as empty as it runs, in two contexts. */
export const COMPARED = 2 * (1 + 1 + 2 + 2 + 4 + 3 + 8 + 5)

/** The public options that ask for what a self-test compares. */
export const OF_TESTS = { scoreThreshold: 0, iouThreshold: 1, maxDetections: COMPARED_DETECTIONS }

/** What the CPU answers to the test's pictures, in a file of the fake backend's. */
let known: Promise<Buffer> | null = null

async function answersOfCpu(): Promise<Buffer> {
  const detector = await EfficientDet.load('person', { backend: 'cpu', inputSize: 64 })
  const parts: Uint8Array[] = []
  for (const frame of await testImages()) {
    let hash = 2166136261
    for (const byte of frame.data.subarray(0, 3 * frame.width)) hash = Math.imul(hash ^ byte, 16777619)
    const { detections } = await detector.detect(frame, { scoreThreshold: 0, iouThreshold: 1 })
    const { boxes, scores, classIds } = packDetections(detections)
    parts.push(new Uint8Array(Uint32Array.of(hash, scores.length).buffer))
    scores.forEach((score, i) => {
      parts.push(new Uint8Array(Float32Array.of(...boxes.subarray(4 * i, 4 * i + 4), score).buffer))
      parts.push(new Uint8Array(Uint32Array.of(classIds[i]).buffer))
    })
  }
  await detector.dispose()
  return Buffer.concat(parts)
}

/** Has the fake backend answer as the CPU does, and besides as told. */
export async function behave(behaviour = ''): Promise<void> {
  known ??= answersOfCpu()
  process.env.FAKE_BACKEND = `contexts=2 answers=${await temporaryFile(await known, 'answers')} ${behaviour}`
}

export const OPTIONS = { backend: 'tensorrt', backendLibrary: FAKE_BACKEND } as const

export const load = (options: LoadOptions = {}, model = 'person') =>
  EfficientDet.load(model, { ...OPTIONS, inputSize: 64, ...options })

/** What the test of a detector's engine showed. */
export async function tested(options: LoadOptions = {}) {
  await using detector = await load(options)
  return detector.backend.gpus[0].selfTest
}

/** An engine file of `person`. */
export async function engineFile(options: BuildOptions = {}): Promise<string> {
  const output = join(await temporaryFolder(), 'person.engine')
  await buildEngine('person', { backendLibrary: FAKE_BACKEND, inputSize: 64, output, ...options })
  return output
}

/** What the test of an engine file showed. */
export async function testedFile(path: string) {
  await using detector = await EfficientDet.load(path, OPTIONS)
  return detector.backend.gpus[0].selfTest
}

export const wrong = (message: RegExp) => refusal('ERR_ENGINE', message)
