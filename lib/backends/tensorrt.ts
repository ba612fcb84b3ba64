import { access, readFile } from 'node:fs/promises'
import type { Backend } from './backend.js'
import { probeOf, unavailable } from './unavailable.js'

/**
 * TensorRT. This version of the package has no addon for it yet, so it reports what of its needs is there and
 * runs nothing.
 */
export const tensorrt: Backend = {
  name: 'tensorrt',
  probe: () => missing().then(probeOf),
  open: async () => {
    throw await missing()
  },
}

/** Where NVIDIA's kernel driver tells its version; Jetson's kernel has no such file but this device. */
const DRIVER = '/proc/driver/nvidia/version'
const JETSON = '/dev/nvhost-gpu'

async function missing() {
  const driver = await readFile(DRIVER, 'utf8').then(
    (text) => `NVIDIA driver found (${text.split('\n', 1)[0].replace(/\s+/g, ' ')})`,
    () =>
      access(JETSON).then(
        () => `Jetson GPU found (${JETSON})`,
        () => `no NVIDIA driver found (looked for ${DRIVER} and ${JETSON})`,
      ),
  )
  return unavailable(
    'tensorrt',
    `this version of efficientdet-trt has no TensorRT addon; ${driver}`,
    "use backend 'cpu', or export an ONNX file for TensorRT (efficientdet export)",
  )
}
