import type { Command } from 'commander'
import { convertWeights } from '../api/models.js'
import { readLabels } from './label-file.js'
import { say, tellNotes } from './output.js'
import { addWeightsOptions, type WeightsFlags, weightsOptionsOf } from './weights-options.js'

interface ConvertFlags extends WeightsFlags {
  readonly labels?: string
  readonly half: boolean
}

export function addConvertCommand(program: Command): void {
  const command = program
    .command('convert')
    .description('rewrite weights as safetensors, with all that was told or found out about them')
    .argument('<input>', 'a weights file of effdet or zylo (.pth, .safetensors), or a pulled name such as d0')
    .argument('<output>', 'the safetensors file to write')
    .option('--labels <file>', 'one class name per line')
    .option('--half', 'store convolution weights as float16: half the size', false)
  addWeightsOptions(command).action(async (input: string, output: string, flags: ConvertFlags) => {
    const model = await convertWeights(input, output, {
      ...weightsOptionsOf(flags),
      ...(flags.labels !== undefined && { labels: await readLabels(flags.labels) }),
      half: flags.half,
    })
    tellNotes(model.notes)
    const { variant, classes } = model.spec.architecture
    say(
      `${output}: EfficientDet-${variant.name}, ${classes} class${classes === 1 ? '' : 'es'}${flags.half ? ', float16' : ''}.`,
    )
  })
}
