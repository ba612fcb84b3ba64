import type { Command } from 'commander'
import { convertWeights } from '../api/models.js'
import { checkOutput } from '../base/atomic-write.js'
import { CONVERT_OPTIONS } from '../options/convert.js'
import type { Precision } from '../options/export.js'
import { readLabels } from '../weights/label-file.js'
import { flagOf } from './flags.js'
import { print, printNotes } from './output.js'
import { addWeightsOptions, labelsFlag, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

interface ConvertFlags extends WeightsFlags {
  readonly labels?: string
  readonly precision?: Precision
}

export function addConvertCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('convert')
    .description('rewrite weights as safetensors, with all that was given or found out about them')
    .argument('<input>', 'a weights file of effdet or zylo (.pth, .safetensors), or a pulled name such as d0')
    .argument('<output>', 'the safetensors file to write')
    .addOption(labelsFlag())
    .addOption(flagOf(CONVERT_OPTIONS, 'precision'))
  addWeightsOptions(command).action(async (input: string, output: string, flags: ConvertFlags) => {
    if (flags.labels !== undefined) await checkOutput(output, flags.labels)
    const model = await convertWeights(input, output, {
      ...weightsOptionsOf(flags),
      ...(flags.labels !== undefined && { labels: await readLabels(flags.labels) }),
      ...(flags.precision !== undefined && { precision: flags.precision }),
      signal,
    })
    printNotes(model.notes)
    const { variant, classes } = model.spec.architecture
    print(
      `${output}: EfficientDet-${variant.name}, ${classes} class${classes === 1 ? '' : 'es'}${flags.precision === 'fp16' ? ', fp16' : ''}.`,
    )
  })
}
