import { checkActivations } from '../backends/cpu/activation-range.js'
import { checkOutput, stageFile } from '../base/atomic-write.js'
import { resolveModel } from '../hub/resolve.js'
import { checkPath } from '../options/checks.js'
import { SIGNAL } from '../options/common.js'
import { checkConvertOptions } from '../options/convert.js'
import { checkExportOptions, type ExportOptions } from '../options/export.js'
import { checkOptions } from '../options/option.js'
import { checkWeightsOptions, WEIGHTS_OPTIONS } from '../options/weights.js'
import type { Exported } from '../tasks/export.js'
import { runTask } from '../tasks/run.js'
import type { ConvertOptions } from '../weights/convert.js'
import type { WeightsOptions } from '../weights/decide.js'
import type { Inspection, Model } from '../weights/model-file.js'

/** Work on model files. Every function runs in a thread of its own, which `signal` ends. */
export interface Cancellable {
  readonly signal?: AbortSignal
}

/**
 * Writes the ONNX file (opset 17) of a model: input `images` N×3×H×W, outputs `box_regression` N×A×4 and
 * `class_logits` N×A×classes, float32; with `detections` those of docs/engines.md's plugin.
 *
 * In `fp16` the network is run on a few images first, where onnxruntime is there, to see that float16 can hold its
 * activations.
 *
 * @param model a bundled or pulled name, or a weights file
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_MODEL_NOT_FOUND, ERR_WEIGHTS, ERR_WEIGHTS_AMBIGUOUS,
 *   ERR_UNSAFE_PICKLE, ERR_LABELS, ERR_OUTPUT; the signal's reason
 */
export async function exportOnnx(
  model: string,
  output: string,
  options: ExportOptions = {},
): Promise<Exported> {
  const { weights, settings, signal } = checkExportOptions(options)
  const path = await resolveModel(checkPath('model', model))
  await checkOutput(checkPath('output', output), path)
  return stageFile(output, async (staged) => {
    const { inputSize, precision } = settings
    const model = { path, weights, inputSize, checkMemory: true, signal }
    const rangeNotes = precision === 'fp16' ? await checkActivations(model) : []
    const exported = await runTask('export', [path, staged, weights, settings], signal)
    return { ...exported, notes: [...exported.notes, ...rangeNotes] }
  })
}

/**
 * Rewrites weights of any known kind as safetensors, with all that was given or found out about them.
 *
 * @param model a bundled or pulled name, or a weights file
 * @throws EfficientDetError as `exportOnnx` does
 */
export async function convertWeights(
  model: string,
  output: string,
  options: ConvertOptions & Cancellable = {},
): Promise<Omit<Model, 'weights'>> {
  const { settings, signal } = checkConvertOptions(options)
  const path = await resolveModel(checkPath('model', model))
  await checkOutput(checkPath('output', output), path)
  return stageFile(output, (staged) => runTask('convert', [path, staged, settings], signal))
}

/**
 * Describes a weights file, from its header alone: naming, variant, classes, what is assumed, what is open.
 *
 * @throws EfficientDetError as `exportOnnx` does
 */
export async function inspectWeights(
  model: string,
  options: WeightsOptions & Cancellable = {},
): Promise<Inspection> {
  const { signal } = checkOptions('the inspect options', options, { ...WEIGHTS_OPTIONS, signal: SIGNAL })
  return runTask(
    'inspect',
    [await resolveModel(checkPath('model', model)), checkWeightsOptions(options)],
    signal,
  )
}
