import { packageFile } from '../../base/package-file.js'
import { runJob } from '../../threads/job.js'
import type { Backend, Engine } from '../backend.js'
import { probeOf } from '../unavailable.js'
import { CpuEngine, type CpuRequest } from './engine.js'

/** onnxruntime on the CPU, with pre- and post-processing in TypeScript, in one thread per model. */
export const cpu = {
  name: 'cpu',
  async probe() {
    disableTelemetry()
    try {
      const url = packageFile('./probe-worker.js', import.meta.url)
      const description = await runJob<string>(url, null, { fallback: 'ERR_BACKEND_UNAVAILABLE' })
      return { usable: true, description, details: [] }
    } catch (error) {
      return probeOf(error)
    }
  },
  open(request: CpuRequest): Promise<Engine> {
    disableTelemetry()
    return CpuEngine.open(request)
  },
} satisfies Backend

/**
 * From 1.30 on, onnxruntime reports to its maker over the network and keeps an identifier in the user's cache folder,
 * unless this variable is set before it is loaded. A program that looks at pictures should tell nobody about it; who
 * wants to may set the variable to 0.
 */
function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1'
}
