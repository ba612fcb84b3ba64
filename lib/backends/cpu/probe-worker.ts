import { postOutcome } from '../../threads/outcome.js'
import { loadOnnxruntime, onnxruntimeVersion } from './onnxruntime.js'

/** Loads onnxruntime where that neither blocks the caller nor stays in its memory if it fails. */
postOutcome(loadOnnxruntime().then(() => `onnxruntime ${onnxruntimeVersion()}`))
