import { packageFile } from '../base/package-file.js'
import { runJob } from '../threads/job.js'
import type { Tasks } from './tasks.js'

/**
 * Runs a task in a thread of its own, which is ended when the signal aborts.
 *
 * @throws what the task throws; the signal's reason
 */
export function runTask<Name extends keyof Tasks>(
  name: Name,
  args: Parameters<Tasks[Name]>,
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Tasks[Name]>>> {
  const url = packageFile('./task-worker.js', import.meta.url)
  return runJob(url, { name, args }, { signal, fallback: 'ERR_WEIGHTS' })
}
