import { EfficientDetError } from '../../base/errors.js'
import { packageFile } from '../../base/package-file.js'
import { checkFp16Range, type ImageRange } from '../../graph/fp16-range.js'
import { runNativeJob } from '../../threads/job.js'
import type { ActivationCheck } from '../backend.js'
import { disableTelemetry } from './onnxruntime.js'

/** What the thread is started with. */
export type RangeRequest = Omit<Parameters<ActivationCheck>[0], 'signal'>

/** Runs a network in float32 on a few images, to see whether float16 can hold what its layers give. */
export const checkActivations: ActivationCheck = async ({ signal, ...request }) => {
  disableTelemetry()
  const url = packageFile('./activation-range-worker.js', import.meta.url)
  let ranges: ImageRange[]
  try {
    ranges = await runNativeJob<ImageRange[]>(url, request, { signal, fallback: 'ERR_INFERENCE' })
  } catch (error) {
    if (!(error instanceof EfficientDetError) || !UNCHECKED.has(error.code)) throw error
    return [`Whether activations stay within float16 was not checked: ${error.message}`]
  }
  const note = checkFp16Range(ranges)
  return note === null ? [] : [note]
}

/** Failures of what looks, not of what is looked at: onnxruntime or sharp that cannot run here, too little memory. */
const UNCHECKED: ReadonlySet<string> = new Set([
  'ERR_BACKEND_UNAVAILABLE',
  'ERR_IMAGE',
  'ERR_INFERENCE',
  'ERR_OUT_OF_MEMORY',
])
