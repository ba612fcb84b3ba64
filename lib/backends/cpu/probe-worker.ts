import { postOutcome } from '../../threads/outcome.js'
import type { Probe } from '../backend.js'
import { loadOnnxruntime, onnxruntimeVersion } from './onnxruntime.js'

/** Loads onnxruntime where that neither blocks the caller nor stays in its memory if it fails. */
async function probe(): Promise<Probe> {
  const loaded = await loadOnnxruntime()
  return 'unavailable' in loaded
    ? { usable: false, ...loaded.unavailable, details: [] }
    : { usable: true, description: `onnxruntime ${onnxruntimeVersion()}`, details: [] }
}

postOutcome(probe())
