import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import sharp from 'sharp'
import { findLibrary } from '#lib/backends/tensorrt/library.js'
import { writeEngine } from '#lib/engines/engine-file.js'
import { profileBatchSizesUpTo } from '#lib/engines/profile-batch-sizes.js'
import { type Frame, PIXEL_FORMATS, type PixelFormat } from '#lib/image/frame.js'
import { preprocess } from '#lib/image/preprocess.js'
import { toRgb } from '#lib/image/rgb.js'
import { graphOfModelFile } from '#lib/tasks/export.js'
import { ROOT } from './cli.js'
import { temporaryFolder } from './temporary-folder.js'

const folder = process.env.EFFICIENTDET_EMULATED ?? join(ROOT, 'build', 'Release')

/**
 * Options for TensorRT 10's backend over stand-ins for CUDA (native/emulation) and TensorRT
 * (native/tensorrt/test/stand_in): all of the road from a call to its result, without a GPU.
 */
export const EMULATED = {
  backend: 'tensorrt',
  backendLibrary: join(folder, 'libefficientdet_emulated.so'),
  libraryPath: join(folder, 'stand_in'),
  engine: { selfTest: false },
} as const

const CONTROL = join(folder, 'libefficientdet_emulation_control.so')

/** Whether these were built, for which TensorRT 10's headers are needed. */
export const hasEmulated = existsSync(EMULATED.backendLibrary) && existsSync(CONTROL)

// Steps of the GPU kit, which use it too, are no tests and have real devices.
if (!hasEmulated && process.env.VITEST) {
  console.warn(`Tests of the emulated TensorRT backend are skipped: there is no ${EMULATED.backendLibrary}.`)
}

/** The device of this process, as native/emulation/emulation.h describes. */
export interface Emulation {
  /** Makes one call of CUDA fail, the `countdown`-th from now; none for 0. */
  failCall(countdown: number, error: number): void
  calls(): number
  /** Brings back all devices that were lost. */
  revive(): void
  setDeviceCount(count: number): void
  setDriverVersion(version: number): void
  /** As 10·major + minor; kernels are there for 75 and later. */
  setComputeCapability(capability: number): void
  setIntegrated(integrated: boolean): void
  /** Bytes of each device. */
  setMemory(bytes: number): void
  /** Whether this process has a context on a device. */
  hasContext(device: number): boolean
  forgetContexts(): void
  /** What was made on the device and not given back. */
  countLive(): Readonly<Record<string, number>>
}

/** CUDA's numbers. */
export const CUDA_ERROR_MEMORY_ALLOCATION = 2
export const CUDA_ERROR_LAUNCH_FAILURE = 719

export function emulation(): Emulation {
  const module = { exports: {} as Emulation }
  process.dlopen(module, CONTROL)
  return module.exports
}

/** Numbers of an input by which the stand-in for TensorRT knows it: kSamples there. */
const SAMPLES = 1021

/**
 * Writes an engine file for the time of a test: a `person` whose stand-in answers these frames with what onnxruntime
 * computes here, and all others with NaN.
 *
 * @param side of the network's input, in pixels
 * @returns its path
 */
export async function engineThatKnows(
  frames: readonly Frame[],
  { side, maxBatchSize }: { readonly side: number; readonly maxBatchSize: number },
): Promise<string> {
  const settings = {
    inputSize: { height: side, width: side },
    batch: 1,
    precision: 'fp32',
    input: 'fp32',
  } as const
  const weights = join(ROOT, 'models', 'person', 'person.safetensors')
  const { spec, inputSize, onnx } = await graphOfModelFile(weights, {}, settings)
  const session = await ort.InferenceSession.create(onnx)
  const answers: Float32Array[] = []
  let anchors = 0
  for (const frame of frames) {
    const { tensor } = preprocess(toRgb(frame), inputSize, spec.preprocessing)
    const images = new ort.Tensor('float32', tensor, [1, 3, side, side])
    const { box_regression, class_logits } = await session.run({ images })
    const samples = Float32Array.from(
      { length: SAMPLES },
      (_, i) => tensor[Math.floor((i * tensor.length) / SAMPLES)],
    )
    answers.push(samples, box_regression.data as Float32Array, class_logits.data as Float32Array)
    anchors = box_regression.dims[1]
  }
  await session.release()

  const found = await findLibrary({
    files: [EMULATED.backendLibrary],
    libraryPath: EMULATED.libraryPath,
    purpose: 'run',
    devices: [],
  })
  if (!('native' in found)) throw new Error(found.reason)
  const { addon, library, probe } = found.native
  const [{ name, computeCapability }] = probe.devices
  const header = {
    packageVersion: '0.1.0',
    target: {
      family: addon.nameOf(library),
      libraryVersion: probe.libraryVersion,
      cudaVersion: probe.cudaVersion,
      platform: `${process.platform}-${process.arch}`,
      gpu: name,
      computeCapabilities: [Number(computeCapability.replace('.', ''))],
    },
    settings: {
      precision: 'fp32',
      maxBatchSize,
      workspaceBytes: 0,
      optimisationLevel: -1,
      versionCompatible: false,
      hardwareCompatible: false,
    },
    graph: createHash('sha256').update(onnx).digest('hex'),
    spec,
    inputSize,
    notes: [],
    referenceDetections: null,
  } as const
  const { classes } = spec.architecture
  const line = [
    'stand-in',
    side,
    side,
    anchors,
    classes,
    0,
    0,
    0,
    ...profileBatchSizesUpTo(maxBatchSize),
  ].join(' ')
  const plan = Buffer.concat([
    Buffer.from(`${line}\n`),
    ...answers.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  ])
  const path = join(await temporaryFolder(), 'known.engine')
  await writeEngine(path, { header, plan })
  return path
}

/** A picture file's pixels in a format, resized to a width if one is given. */
export async function frameOf(path: string, format: PixelFormat = 'rgb', width?: number): Promise<Frame> {
  const { data, info } = await sharp(path)
    .resize(width)
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { data: INTO[format](data, info), format, width: info.width, height: info.height }
}

type Convert = (rgb: Uint8Array, size: { readonly width: number; readonly height: number }) => Uint8Array

/** Takes of each pixel the channels by number; 3 is an alpha that nobody should see. */
const channels =
  (...order: readonly number[]): Convert =>
  (rgb) =>
    Uint8Array.from({ length: (rgb.length / 3) * order.length }, (_, i) => {
      const channel = order[i % order.length]
      return channel === 3 ? 77 : rgb[3 * Math.floor(i / order.length) + channel]
    })

/** A plane of BT.601 in limited range, of every pixel or of each second in both directions. */
function plane(
  rgb: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
  step: 1 | 2,
  [offset, r, g, b]: readonly [number, number, number, number],
): Uint8Array {
  const [columns, rows] = [width, height].map((size) => Math.ceil(size / step))
  return Uint8Array.from({ length: columns * rows }, (_, i) => {
    const at = 3 * (step * Math.floor(i / columns) * width + step * (i % columns))
    return Math.round(offset + (r * rgb[at] + g * rgb[at + 1] + b * rgb[at + 2]) / 255)
  })
}

const Y = [16, 65.481, 128.553, 24.966] as const
const U = [128, -37.797, -74.203, 112] as const
const V = [128, 112, -93.786, -18.214] as const

const INTO: Readonly<Record<PixelFormat, Convert>> = {
  rgb: channels(0, 1, 2),
  rgba: channels(0, 1, 2, 3),
  bgr: channels(2, 1, 0),
  bgra: channels(2, 1, 0, 3),
  grey: (rgb) => Uint8Array.from({ length: rgb.length / 3 }, (_, i) => rgb[3 * i + 1]),
  nv12: (rgb, size) => {
    const [u, v] = [U, V].map((of) => plane(rgb, size, 2, of))
    const pairs = Uint8Array.from({ length: 2 * u.length }, (_, i) => (i % 2 === 0 ? u : v)[i >> 1])
    return Buffer.concat([plane(rgb, size, 1, Y), pairs])
  },
  i420: (rgb, size) =>
    Buffer.concat([plane(rgb, size, 1, Y), plane(rgb, size, 2, U), plane(rgb, size, 2, V)]),
}

/** Every format, one after another. */
export const formatOf = (i: number): PixelFormat => PIXEL_FORMATS[i % PIXEL_FORMATS.length]
