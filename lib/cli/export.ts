import type { Command } from 'commander'
import { exportOnnx } from '../api/models.js'
import { checkExportOptions, EXPORT_OPTIONS, type ExportOptions } from '../options/export.js'
import { parseBatch, parseSize } from './arguments.js'
import { addFlags, flagOf, given } from './flags.js'
import { print, printNotes } from './output.js'
import { addWeightsOptions, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

const NAMES = ['precision', 'input', 'detections'] as const
const GIVEN = [...NAMES, 'inputSize', 'batch'] as const

interface ExportFlags extends WeightsFlags, Pick<ExportOptions, (typeof GIVEN)[number]> {}

export function addExportCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('export')
    .description('write the ONNX file of a model, for TensorRT, onnxruntime and others')
    .argument('<model>', 'person, a pulled name such as d0, or a weights file')
    .argument('<output>', 'the ONNX file to write')
    .addOption(flagOf(EXPORT_OPTIONS, 'inputSize', { placeholder: '<HxW>', parse: parseSize }))
    .addOption(flagOf(EXPORT_OPTIONS, 'batch', { placeholder: '<n>', parse: parseBatch }))
  addFlags(command, EXPORT_OPTIONS, NAMES)
  addWeightsOptions(command).action(async (model: string, output: string, flags: ExportFlags) => {
    const options = { ...weightsOptionsOf(flags), ...given(flags, GIVEN) }
    const exported = await exportOnnx(model, output, { ...options, signal })
    printNotes(exported.notes)
    const { batch, precision } = checkExportOptions(options).settings
    const { height, width } = exported.inputSize
    print(
      `${output}: EfficientDet-${exported.variant}, ${height} high × ${width} wide, batch ${batch}, ${precision}, ` +
        `${(exported.bytes / 1e6).toFixed(1)} MB.`,
    )
  })
}
