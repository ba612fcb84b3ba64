import { packageFile } from '../../base/package-file.js'
import { isEngineFile } from '../../engines/engine-file.js'
import { runJob } from '../../threads/job.js'
import type { Backend, Opening, OpenRequest, Probe } from '../backend.js'
import { CpuEngine, type CpuRequest } from './engine.js'
import { disableTelemetry, REINSTALL } from './onnxruntime.js'

/** onnxruntime on the CPU, in one thread per model with what lies before and after it. */
export const cpu = {
  name: 'cpu',
  async probe() {
    disableTelemetry()
    try {
      const url = packageFile('./probe-worker.js', import.meta.url)
      return await runJob<Probe>(url, null, { fallback: 'ERR_BACKEND_UNAVAILABLE' })
    } catch (error) {
      // A native module may end the thread that loads it.
      const reason = `onnxruntime-node cannot be tried (${(error as Error).message})`
      return { usable: false, reason, remedy: REINSTALL, faults: [], details: [] }
    }
  },
  async takes(path) {
    return !(await isEngineFile(path))
  },
  open({
    engine,
    ...request
  }: Omit<CpuRequest, 'checkMemory'> & Pick<OpenRequest, 'engine'>): Promise<Opening> {
    disableTelemetry()
    return CpuEngine.open({ ...request, checkMemory: engine.checkMemory })
  },
} satisfies Backend
