import { access, readFile } from 'node:fs/promises'
import { isEngineFile, readEngineHeader } from '../engines/engine-file.js'
import type { Family } from '../options/engine.js'
import type { Backend, OpenRequest } from './backend.js'
import { findLibrary, type LibrarySearch, type NativeLibrary } from './native/library.js'
import { openEngineFile, openNative } from './native/native.js'
import { probeOf, unavailable } from './unavailable.js'

/** TensorRT on an NVIDIA GPU, behind the addon: the first of its libraries that can run here. */
export const tensorrt: Backend = {
  name: 'tensorrt',
  async probe() {
    try {
      const { probe, path, others } = await findTensorrt({ family: null, library: null, libraryPath: null })
      const devices = probe.devices.map(({ name, computeCapability }) => `${name} (${computeCapability})`)
      const also = others.length === 0 ? '' : `; found too: ${others.join(', ')}`
      return { usable: true, description: `${probe.description}, ${devices.join(', ')}; ${path}${also}` }
    } catch (error) {
      return probeOf(error)
    }
  },
  async open(request: OpenRequest) {
    const { path, backendLibrary: library, engine } = request
    const { libraryPath } = engine
    if (!(await isEngineFile(path))) {
      return openNative(await findTensorrt({ family: engine.family, library, libraryPath }), request)
    }
    const { target } = await readEngineHeader(path)
    return openEngineFile(
      await findTensorrt({ family: familyOf(target.backend), library, libraryPath, model: 'engine' }),
      request,
    )
  },
}

/** One library for each family of TensorRT, with the name of its backend; newest first. */
const LIBRARIES: readonly { readonly family: Family; readonly backend: string; readonly file: string }[] = [
  { family: '11', backend: 'tensorrt11', file: 'libefficientdet_trt11.so' },
  { family: '10', backend: 'tensorrt10', file: 'libefficientdet_trt10.so' },
  { family: 'rtx', backend: 'tensorrt-rtx', file: 'libefficientdet_rtx.so' },
]

/** The family of an engine by the backend that built it, or null for one that is not known. */
export function familyOf(backend: string): Family | null {
  return LIBRARIES.find((library) => library.backend === backend)?.family ?? null
}

/** What else can be done, with weights and with an engine file. */
const REMEDIES = {
  weights: "use backend 'cpu', or export an ONNX file for TensorRT (efficientdet export)",
  engine: "load the weights that it was built from, which the backend 'cpu' runs too",
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
  readonly model?: keyof typeof REMEDIES
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
  const files = library === null ? known.map(({ file }) => file) : [library]
  try {
    return await findLibrary('tensorrt', { files, libraryPath, purpose, remedy: REMEDIES[model] })
  } catch (error) {
    const probe = probeOf(error)
    throw unavailable('tensorrt', `${probe.reason}; ${await driver()}`, probe.remedy, probe.faults)
  }
}

/** Where NVIDIA's kernel driver tells its version; Jetson's kernel has no such file but this device. */
const DRIVER = '/proc/driver/nvidia/version'
const JETSON = '/dev/nvhost-gpu'

async function driver(): Promise<string> {
  try {
    const [line] = (await readFile(DRIVER, 'utf8')).split('\n', 1)
    return `NVIDIA driver found (${line.replace(/\s+/g, ' ')})`
  } catch {
    const isJetson = await access(JETSON).then(
      () => true,
      () => false,
    )
    return isJetson
      ? `Jetson GPU found (${JETSON})`
      : `no NVIDIA driver found (looked for ${DRIVER} and ${JETSON})`
  }
}
