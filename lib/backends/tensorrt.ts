import { access, readFile } from 'node:fs/promises'
import type { Backend, OpenRequest } from './backend.js'
import { findLibrary, type NativeLibrary, openNative } from './native/native.js'
import { probeOf, unavailable } from './unavailable.js'

/** TensorRT on an NVIDIA GPU, behind the addon: the first of its libraries that can run here. */
export const tensorrt: Backend = {
  name: 'tensorrt',
  async probe() {
    try {
      const { probe, path } = await find(null)
      const devices = probe.devices.map(({ name, computeCapability }) => `${name} (${computeCapability})`)
      return { usable: true, description: `${probe.description}, ${devices.join(', ')}; ${path}` }
    } catch (error) {
      return probeOf(error)
    }
  },
  async open(request: OpenRequest) {
    return openNative(await find(request.backendLibrary), request)
  },
}

/** One library for each family of TensorRT; newest first. */
const LIBRARIES = ['libefficientdet_trt11.so', 'libefficientdet_trt10.so', 'libefficientdet_rtx.so']

const REMEDY = "use backend 'cpu', or export an ONNX file for TensorRT (efficientdet export)"

async function find(library: string | null): Promise<NativeLibrary> {
  try {
    return await findLibrary('tensorrt', library === null ? LIBRARIES : [library], REMEDY)
  } catch (error) {
    const probe = probeOf(error)
    throw unavailable('tensorrt', `${probe.reason}; ${await driver()}`, probe.remedy)
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
