import { availableProcessors } from '../../base/available-processors.js'
import { freeMemory } from '../../engines/free-memory.js'
import { checkCpuMemory, estimateCpuMemory } from '../../engines/memory.js'
import { testImages } from '../../engines/self-test/images.js'
import { buildGraph } from '../../graph/build.js'
import type { ImageRange } from '../../graph/fp16-range.js'
import { preprocess } from '../../image/preprocess.js'
import { type RgbImage, toRgb } from '../../image/rgb.js'
import type { Size } from '../../models/levels.js'
import { nativeInput } from '../../models/variants.js'
import { host } from '../../threads/host.js'
import { type NativeCalls, nativeCall } from '../../threads/native-calls.js'
import { outcomeOf } from '../../threads/outcome.js'
import { readNetwork } from '../../weights/model-file.js'
import { unavailableError } from '../unavailable.js'
import type { RangeRequest } from './activation-range.js'
import { loadOnnxruntime } from './onnxruntime.js'

/** Longest side of the input; activations of larger ones are alike, and take minutes. */
const MAX_SIDE = 512

/** Runs a network on a few images and takes the largest magnitude of every layer. */
async function activationRange(
  { path, weights: options, inputSize, checkMemory }: RangeRequest,
  calls: NativeCalls,
): Promise<ImageRange[]> {
  const loaded = await nativeCall(calls, loadOnnxruntime)
  if ('unavailable' in loaded) throw unavailableError('cpu', loaded.unavailable)
  const { runtime } = loaded
  const asked = inputSize === null ? (['variant'] as const) : []
  const { architecture, preprocessing, weights } = await readNetwork(path, options, asked)
  const size = bounded(inputSize ?? nativeInput(architecture.variant))
  if (checkMemory) checkCpuMemory(estimateCpuMemory(architecture, size), await freeMemory())
  const settings = { batch: 1, precision: 'fp32', input: 'fp32', extremes: true } as const
  const onnx = buildGraph(architecture, weights, { ...settings, inputSize: size })
  const session = await nativeCall(calls, () =>
    runtime.InferenceSession.create(onnx, {
      executionProviders: ['cpu'],
      enableCpuMemArena: false,
      intraOpNumThreads: availableProcessors(),
      // Short runs, beside whatever else is busy: threads that spin for work would take its time.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    }),
  )
  const layers = session.outputNames.flatMap((name) => /^(.*)\/largest$/.exec(name)?.[1] ?? [])
  const names = layers.flatMap((layer) => [`${layer}/largest`, `${layer}/least`])
  const ranges: ImageRange[] = []
  for (const { image, isOrdinary, pixels } of await imagesOf(size)) {
    const { tensor } = preprocess(pixels, size, preprocessing)
    const images = new runtime.Tensor('float32', tensor, [1, 3, size.height, size.width])
    const extremes = await nativeCall(calls, () => session.run({ images }, names))
    const magnitude = (name: string) => Math.abs((extremes[name]!.data as Float32Array)[0]!)
    ranges.push({
      image,
      isOrdinary,
      layers: layers.map((layer) => ({
        layer,
        magnitude: Math.max(magnitude(`${layer}/largest`), magnitude(`${layer}/least`)),
      })),
    })
  }
  return ranges
}

function bounded({ height, width }: Size): Size {
  const scale = Math.min(1, MAX_SIDE / Math.max(height, width))
  return { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) }
}

async function imagesOf(size: Size) {
  const [photograph] = await testImages()
  let state = 1
  const noise = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  }
  return [
    { image: 'a photograph', isOrdinary: true, pixels: toRgb(photograph!) },
    { image: 'a black image', isOrdinary: true, pixels: filled(size, () => 0) },
    { image: 'a white image', isOrdinary: false, pixels: filled(size, () => 255) },
    { image: 'noise', isOrdinary: false, pixels: filled(size, noise) },
  ]
}

function filled({ height, width }: Size, value: () => number): RgbImage {
  return { data: Uint8Array.from({ length: 3 * height * width }, value), height, width }
}

const caller = await host()
const request = caller.data as RangeRequest & { readonly calls: NativeCalls }
caller.post(await outcomeOf(activationRange(request, request.calls)))
