import { packageFile } from '../../package-file.js'
import { runJob } from '../../threads/job.js'
import type { Backend } from '../backend.js'
import { probeOf } from '../unavailable.js'
import { CpuEngine } from './engine.js'

/** onnxruntime on the CPU, with pre- and post-processing in TypeScript, in one thread per model. */
export const cpu: Backend = {
  name: 'cpu',
  async probe() {
    try {
      const url = packageFile('./probe-worker.js', import.meta.url)
      const description = await runJob<string>(url, null, { fallback: 'ERR_BACKEND_UNAVAILABLE' })
      return { usable: true, description }
    } catch (error) {
      return probeOf(error)
    }
  },
  open: (request) => CpuEngine.open(request),
}
