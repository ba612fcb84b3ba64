import { resolve } from 'node:path'
import { isEngineFile, readEngineHeader } from '../../engines/engine-file.js'
import type { Family } from '../../engines/settings.js'
import type { Backend, OpenRequest, Probe, ProbeSearch } from '../backend.js'
import { probeOf, unavailable } from '../unavailable.js'
import type { Fault, NativeProbe } from './addon.js'
import { findGpuHost, type GpuHost, remedyOn } from './gpu-host.js'
import { findLibrary, type LibrarySearch, type NativeLibrary, openLibrary, sentences } from './library.js'
import { openEngineFile, openNative } from './open.js'

/** TensorRT on an NVIDIA GPU, behind the addon: the first of its libraries that can run here. */
export const tensorrt: Backend = {
  name: 'tensorrt',
  async probe(search) {
    const host = await findGpuHost()
    try {
      return await probeLibraries(search, host)
    } catch (error) {
      return probeOf(error)
    }
  },
  async open(request: OpenRequest) {
    const { path, backendLibrary: library, libraryPath, engine } = request
    if (!(await isEngineFile(path))) {
      return openNative(await findTensorrt({ family: engine.family, library, libraryPath }), request)
    }
    const { target } = await readEngineHeader(path)
    return openEngineFile(
      await findTensorrt({ family: knownFamily(target.family), library, libraryPath, model: 'engine' }),
      request,
    )
  },
}

/** One library for each family of TensorRT; newest first. */
const LIBRARIES: readonly { readonly family: Family; readonly file: string }[] = [
  { family: 'tensorrt11', file: 'libefficientdet_trt11.so' },
  { family: 'tensorrt10', file: 'libefficientdet_trt10.so' },
  { family: 'tensorrt-rtx', file: 'libefficientdet_rtx.so' },
]

/** The family that an engine file names, or null for one that is not known. */
export function knownFamily(name: string): Family | null {
  return LIBRARIES.find(({ family }) => family === name)?.family ?? null
}

/** What else can be done: with weights and an engine file that were to be run, and instead of building. */
const OTHERWISE = {
  weights: "use backend 'cpu', or export an ONNX file for TensorRT (efficientdet export)",
  engine: "load the weights that it was built from, which the backend 'cpu' runs too",
  building: 'export an ONNX file for TensorRT (efficientdet export)',
} as const

export interface TensorrtSearch {
  /** Null for any. */
  readonly family: Family | null
  /** Path of the backend's library, instead of those of the families. */
  readonly library: string | null
  readonly libraryPath: string | null
  /** Defaults to `run`. */
  readonly purpose?: LibrarySearch['purpose']
  /** What there is to run. Defaults to weights. */
  readonly model?: 'weights' | 'engine'
}

/** @throws EfficientDetError ERR_BACKEND_UNAVAILABLE that tells what was found of each library, and of the driver */
export async function findTensorrt({
  family,
  library,
  libraryPath,
  purpose = 'run',
  model = 'weights',
}: TensorrtSearch): Promise<NativeLibrary> {
  const known = LIBRARIES.filter((each) => family === null || each.family === family)
  const files = library === null ? known.map(({ file }) => file) : [resolve(library)]
  const remedy = OTHERWISE[purpose === 'build' ? 'building' : model]
  try {
    return await findLibrary('tensorrt', { files, libraryPath, purpose, remedy })
  } catch (error) {
    const { reason, faults } = probeOf(error)
    const host = await findGpuHost()
    // Without a driver it does not matter which libraries are missing, unless somebody said where they are.
    const isPlain = purpose === 'run' && library === null && libraryPath === null
    throw unavailable(
      'tensorrt',
      isPlain && lacksOnlyDriver(faults, files, host) ? host.text : sentences([reason, host.text]),
      `${remedyOn(host, faults, purpose)}; or ${remedy}`,
      faults,
    )
  }
}

/** Whether no library has another fault than that there is nothing to run it on, if it is there at all. */
function lacksOnlyDriver(faults: readonly Fault[], files: readonly string[], { kind }: GpuHost): boolean {
  const harmless = faults.filter((fault) => fault === 'no-driver' || fault === 'no-library')
  return kind === 'none' && harmless.length === files.length
}

/** What each library finds, and which GPUs the first that runs would have. */
async function probeLibraries({ backendLibrary, libraryPath }: ProbeSearch, host: GpuHost): Promise<Probe> {
  const files = backendLibrary === null ? LIBRARIES.map(({ file }) => file) : [resolve(backendLibrary)]
  const details: string[] = []
  const faults: Fault[] = []
  let first: NativeLibrary | null = null
  for (const file of files) {
    const found = await openLibrary('tensorrt', file, { libraryPath, remedy: OTHERWISE.weights })
    if (typeof found === 'string') {
      details.push(found)
      continue
    }
    if (found.probe.fault !== null) faults.push(found.probe.fault)
    if (first === null && found.probe.reason === null) first = found
    else details.push(aside(found))
  }
  if (first !== null) {
    const { probe, path } = first
    return {
      usable: true,
      description: `${probe.description}; ${path}`,
      details: [...probe.devices.map(gpu), ...details],
    }
  }
  return {
    usable: false,
    reason: host.kind === 'none' ? host.text : `${host.text}, but no TensorRT that runs with it`,
    remedy: remedyOn(host, faults, 'run'),
    faults,
    details,
  }
}

/** What is told of a library that is not the one to be used. */
function aside({ path, probe: { description, reason, canBuild } }: NativeLibrary): string {
  if (reason === null) return `${description}: runs here too, with ${path}`
  if (description === '') return reason
  return canBuild
    ? `${description}: builds engines here, but runs none. ${reason}`
    : `${description}: ${reason}`
}

/** Such as `GPU 0: NVIDIA GeForce RTX 4090, compute capability 8.9, 25.4 GB, 24.9 GB free`. */
function gpu(
  { name, computeCapability, memoryBytes, freeBytes, integrated }: NativeProbe['devices'][number],
  i: number,
): string {
  if (name === '') return `GPU ${i}: does not answer; see what nvidia-smi says`
  const [memory, left] = [memoryBytes, freeBytes].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`)
  const free =
    freeBytes > 0
      ? `${left} free`
      : 'which cannot be used now: its memory is full, another process keeps it for itself, or it failed'
  return `GPU ${i}: ${name}, compute capability ${computeCapability}, ${memory}${integrated ? ' shared with the host' : ''}, ${free}`
}
