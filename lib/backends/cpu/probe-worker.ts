import { answer } from '../../threads/answer.js'
import { loadOnnxruntime, onnxruntimeVersion } from './onnxruntime.js'

/** Loads onnxruntime where that neither blocks the caller nor stays in its memory if it fails. */
answer(loadOnnxruntime().then(() => `onnxruntime ${onnxruntimeVersion()}`))
