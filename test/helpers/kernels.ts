import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { colourOf, type Frame, PIXEL_FORMATS, planesOf } from '#lib/image/frame.js'
import { letterbox } from '#lib/image/letterbox.js'
import { YUV_MATRICES, YUV_RANGES, type YuvMatrix, type YuvRange } from '#lib/image/yuv.js'
import type { Size } from '#lib/models/levels.js'
import type { Preprocessing } from '#lib/models/preprocessing.js'
import type {
  NetworkOutput,
  PackedDetections,
  PostprocessParameters,
  SourceGeometry,
} from '#lib/postprocess/detections.js'

const BUILT = fileURLToPath(new URL('../../build/Release/cuda_kernels', import.meta.url))
/**
 * The CUDA kernels as a program for the CPU (native/test/cuda_kernels.cc). The variable names another build, as for a
 * GPU, and its arguments, with spaces between.
 */
const [PROGRAM, ...ARGUMENTS] = process.env.EFFICIENTDET_CUDA_KERNELS?.split(' ') ?? [BUILT]

export const hasKernels = PROGRAM !== BUILT || existsSync(BUILT)

if (!hasKernels)
  console.warn('Tests of the CUDA kernels are skipped: they are not built (npm run build:native).')

/** What the program is sent, and how its answer is read. */
export interface KernelCall<Result> {
  readonly request: readonly Uint8Array[]
  readonly answerBytes: number
  read(answer: Uint8Array): Result
}

/** Runs one call after another in one process. */
export async function runKernels<Result>(calls: readonly KernelCall<Result>[]): Promise<Result[]> {
  const child = spawn(PROGRAM, ARGUMENTS, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  // A program that fails closes its end; its exit code tells of it.
  child.stdin.on('error', () => {})
  for (const bytes of calls.flatMap(({ request }) => request)) child.stdin.write(bytes)
  child.stdin.end()
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout) chunks.push(chunk)
  const code = await ended
  if (code !== 0) throw new Error(`cuda_kernels ended with ${code}`)
  const answer = new Uint8Array(Buffer.concat(chunks))
  let at = 0
  const results = calls.map((call) => {
    const begin = at
    at += call.answerBytes
    return call.read(answer.slice(begin, at))
  })
  if (at !== answer.length) throw new Error(`cuda_kernels answered ${answer.length} bytes instead of ${at}`)
  return results
}

const bytesOf = (values: Int32Array | Uint32Array | Float32Array) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
const integers = (...values: readonly number[]) => bytesOf(Uint32Array.from(values))
const command = (name: 'p' | 'd' | 'y') => Buffer.from(name)

/** One launch over frames, null for none: batch×3×H×W, as float32 or as the bits of float16. */
export function preprocessCall(
  frames: readonly (Frame | null)[],
  input: Size,
  how: Preprocessing,
  precision: 'float32' | 'float16',
): KernelCall<Float32Array | Uint16Array> {
  const half = precision === 'float16'
  const request = [
    command('p'),
    integers(input.width, input.height, how.resize === 'antialiased' ? 0 : 1, half ? 1 : 0, frames.length),
    bytesOf(Float32Array.of(...how.mean, ...how.std, ...how.fill)),
  ]
  for (const frame of frames) {
    if (frame === null) {
      request.push(integers(...Array(12).fill(0)))
      continue
    }
    const planes = planesOf(frame)
    const { matrix, range } = colourOf(frame)
    const each = [0, 1, 2].map((i) => planes[i] ?? { offset: 0, stride: 0 })
    request.push(
      integers(
        PIXEL_FORMATS.indexOf(frame.format),
        YUV_MATRICES.indexOf(matrix),
        YUV_RANGES.indexOf(range),
        frame.width,
        frame.height,
        frame.data.length,
        ...each.map(({ offset }) => offset),
        ...each.map(({ stride }) => stride),
      ),
      frame.data as Uint8Array,
    )
  }
  return {
    request,
    answerBytes: frames.length * 3 * input.height * input.width * (half ? 2 : 4),
    read: ({ buffer }) => (half ? new Uint16Array(buffer) : new Float32Array(buffer)),
  }
}

/** R, G and B of all 2²⁴ colours: for each V, each U, each Y. */
export function coloursCall(matrix: YuvMatrix, range: YuvRange): KernelCall<Uint8Array> {
  return {
    request: [command('y'), integers(YUV_MATRICES.indexOf(matrix), YUV_RANGES.indexOf(range))],
    answerBytes: 3 * 2 ** 24,
    read: (answer) => answer,
  }
}

/** In which type a network's heads are, in the order of the kernels' numbers. */
export const HEAD_TYPES = ['float32', 'float16', 'bfloat16'] as const
export type HeadType = (typeof HEAD_TYPES)[number]

/** A network's output for one picture with what is wanted of it. */
export interface DetectionsQuestion {
  readonly output: NetworkOutput
  readonly parameters: PostprocessParameters
  readonly geometry: SourceGeometry
}

export interface KernelDetections extends PackedDetections {
  readonly notFinite: boolean
}

/**
 * One launch over pictures whose networks have the same anchors and classes.
 *
 * @param limits what the launch has room for
 * @param type of the heads, whose numbers it must hold: no rounding is meant here
 */
export function detectionsCall(
  questions: readonly DetectionsQuestion[],
  limits: { readonly candidates: number; readonly detections: number },
  type: HeadType = 'float32',
): KernelCall<KernelDetections[]> {
  const [{ output: first }] = questions
  const anchors = first.anchors.length / 4
  const batch = questions.length
  const anchorsPerCell = anchors % 9 === 0 ? 9 : 1
  const levels = levelsOf(anchors / anchorsPerCell)
  const rows = questions.map(({ parameters, geometry }) => {
    const scale = Math.fround(geometry.scale)
    return Float32Array.of(
      parameters.iouThreshold,
      parameters.maxDetections,
      parameters.preNmsTopK,
      parameters.nms === 'agnostic' ? 1 : 0,
      scale,
      geometry.width,
      geometry.height,
      geometry.scale - scale,
    )
  })
  return {
    request: [
      command('d'),
      integers(batch, HEAD_TYPES.indexOf(type), levels.length, ...levels),
      integers(anchorsPerCell, first.classes, limits.candidates, limits.detections),
      ...questions.map(({ output }) => bytesOf(output.boxRegression)),
      ...questions.map(({ output }) => bytesOf(output.classLogits)),
      bytesOf(first.anchors),
      ...questions.map(({ parameters }) => bytesOf(parameters.scoreThresholds)),
      ...rows.map(bytesOf),
    ],
    answerBytes: batch * (4 + 6 * limits.detections) * 4,
    read({ buffer }) {
      const counts = new Int32Array(buffer, 0, 4 * batch)
      const values = new Float32Array(buffer, 16 * batch)
      return questions.map((_, i) => {
        const [count, candidates, detections, notFinite] = counts.subarray(4 * i, 4 * i + 4)
        const row = (k: number) => (i * limits.detections + k) * 6
        // Rows beyond the count are told apart by nothing else.
        if (values.subarray(row(count), row(limits.detections)).some((value) => value !== 0)) {
          throw new Error('Rows beyond the count are not 0.')
        }
        const indices = Array.from({ length: count }, (_, k) => row(k))
        return {
          boxes: Float32Array.from(indices.flatMap((at) => [...values.subarray(at, at + 4)])),
          scores: Float32Array.from(indices, (at) => values[at + 4]),
          classIds: Uint32Array.from(indices, (at) => values[at + 5]),
          capped: { preNmsTopK: candidates !== 0, maxDetections: detections !== 0 },
          notFinite: notFinite !== 0,
        }
      })
    },
  }
}

/** Cells of pyramids like the networks', each level a quarter of the one before; where it ends changes no answer. */
function levelsOf(cells: number): number[] {
  const levels: number[] = []
  for (let rest = cells; rest > 0; rest -= levels.at(-1)!) {
    levels.push(levels.length === 5 ? rest : Math.ceil((rest * 3) / 4))
  }
  return levels
}

/** Where a frame lies in an input. */
export function geometryOf({ width, height }: Size, input: Size): SourceGeometry {
  return { width, height, scale: letterbox({ width, height }, input).scale }
}
