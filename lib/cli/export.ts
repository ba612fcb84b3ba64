import { type Command, Option } from 'commander'
import { exportOnnx } from '../api/models.js'
import type { Size } from '../models/levels.js'
import { PRECISIONS, type Precision } from '../options/export.js'
import { parseBatch, parseInteger, parseSize } from './arguments.js'
import { print, printNotes } from './output.js'
import { addWeightsOptions, defined, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

interface ExportFlags extends WeightsFlags {
  readonly precision: Precision
  readonly input: Precision
  readonly inputSize?: Size
  readonly batch: number | 'dynamic'
  readonly detections?: number
}

export function addExportCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('export')
    .description('write the ONNX file of a model, for TensorRT, onnxruntime and others')
    .argument('<model>', 'person, a pulled name such as d0, or a weights file')
    .argument('<output>', 'the ONNX file to write')
    .addOption(
      new Option('--precision <type>', 'of weights and activations').choices(PRECISIONS).default('fp32'),
    )
    .addOption(new Option('--input <type>', 'of the input `images`').choices(PRECISIONS).default('fp32'))
    .option('--input-size <HxW>', "height and width of the input (default: the model's own)", parseSize)
    .option('--batch <n>', 'pictures per run, or dynamic', parseBatch, 'dynamic')
    .option(
      '--detections <n>',
      "end with our TensorRT plugin's node, which gives this many detections at most",
      parseInteger,
    )
  addWeightsOptions(command).action(async (model: string, output: string, flags: ExportFlags) => {
    const { precision, input, inputSize, batch, detections } = flags
    const exported = await exportOnnx(model, output, {
      ...weightsOptionsOf(flags),
      ...defined({ precision, input, inputSize, batch, detections }),
      signal,
    })
    printNotes(exported.notes)
    const { height, width } = exported.inputSize
    print(
      `${output}: EfficientDet-${exported.variant}, ${height} high × ${width} wide, batch ${batch}, ${precision}, ` +
        `${(exported.bytes / 1e6).toFixed(1)} MB.`,
    )
  })
}
