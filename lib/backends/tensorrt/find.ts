import { resolve } from 'node:path'
import type { Family } from '../../engines/settings.js'
import type { LibraryFault, Unavailability } from '../backend.js'
import type { NativeProbe } from './addon.js'
import { findGpuHost, type GpuHost, remedyOn } from './gpu-host.js'
import { findLibrary, type LibrarySearch, type NativeLibrary, sentences } from './library.js'

/** One library for each family of TensorRT; newest first. */
export const LIBRARIES: readonly { readonly family: Family; readonly file: string }[] = [
  { family: 'tensorrt11', file: 'libefficientdet_trt11.so' },
  { family: 'tensorrt10', file: 'libefficientdet_trt10.so' },
  { family: 'tensorrt-rtx', file: 'libefficientdet_rtx.so' },
]

/** The family that an engine file names, or null for one that is not known. */
export function knownFamily(name: string): Family | null {
  return LIBRARIES.find(({ family }) => family === name)?.family ?? null
}

/** What else can be done: with weights and an engine file that were to be run, and instead of building. */
export const OTHERWISE = {
  weights: "use backend 'cpu', or export an ONNX file for TensorRT (efficientdet export)",
  engine: "load the weights that it was built from, which the backend 'cpu' runs too",
  building: 'export an ONNX file for TensorRT (efficientdet export)',
} as const

export interface TensorrtSearch {
  /** Null for any. */
  readonly family: Family | null
  /** Path of the backend's library, instead of those of the families. */
  readonly backendLibrary: string | null
  readonly libraryPath: string | null
  /** Numbers of the GPUs that will be used. */
  readonly devices: readonly number[]
  /** Defaults to `run`. */
  readonly purpose?: LibrarySearch['purpose']
  /** What there is to run. Defaults to weights. */
  readonly model?: 'weights' | 'engine'
}

export type FoundTensorrt = { readonly native: NativeLibrary } | { readonly unavailable: Unavailability }

/** The first library that can do what is wanted, or what was found of each, and of the driver. */
export async function findTensorrt({
  family,
  backendLibrary,
  libraryPath,
  devices,
  purpose = 'run',
  model = 'weights',
}: TensorrtSearch): Promise<FoundTensorrt> {
  const known = LIBRARIES.filter((each) => family === null || each.family === family)
  const files = backendLibrary === null ? known.map(({ file }) => file) : [resolve(backendLibrary)]
  const found = await findLibrary({ files, libraryPath, purpose, devices })
  if ('native' in found) {
    const silent = silentDevice(found.native.probe, devices)
    return silent === null ? found : { unavailable: silent }
  }
  const { reason, faults } = found
  const host = await findGpuHost()
  // Without a driver it does not matter which libraries are missing, unless somebody said where they are.
  const isPlain = purpose === 'run' && backendLibrary === null && libraryPath === null
  const isDriver = isPlain && lacksOnlyDriver(faults, files, host)
  const otherwise = OTHERWISE[purpose === 'build' ? 'building' : model]
  return {
    unavailable: {
      reason: isDriver ? host.text : sentences([reason, host.text]),
      remedy: `${remedyOn(host, faults, purpose)}; or ${otherwise}`,
      faults,
    },
  }
}

/** Whether no library has another fault than that there is nothing to run it on, if it is there at all. */
function lacksOnlyDriver(
  faults: readonly LibraryFault[],
  files: readonly string[],
  { kind }: GpuHost,
): boolean {
  const harmless = faults.filter((fault) => fault === 'no-driver' || fault === 'no-library')
  return kind === 'none' && harmless.length === files.length
}

/** A GPU of which nothing is known cannot be used; null where there is none such. */
function silentDevice({ devices }: NativeProbe, wanted: readonly number[]): Unavailability | null {
  const silent = wanted.find((number) => devices[number]?.name === '')
  if (silent === undefined) return null
  return {
    reason: `GPU ${silent} does not answer: CUDA tells nothing of it`,
    remedy: 'see what nvidia-smi says; or use another GPU',
    faults: [],
  }
}
