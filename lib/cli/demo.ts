import type { Command } from 'commander'
import { EfficientDet } from '../api/detector.js'
import { bundledPath } from '../hub/bundled.js'
import { Annotator } from './annotate.js'
import { detectAll } from './detect.js'
import { tellCircumstances, titleOf } from './detector.js'
import { say, tell } from './output.js'

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('find people in the bundled photograph')
    .option('--out <folder>', 'where to write the annotated picture', 'demo-output')
    .action(async ({ out }: { out: string }) => {
      const annotator = await Annotator.open(out)
      if (!annotator.withText) tell('note: this machine has no fonts; boxes are drawn without labels.')
      await using detector = await EfficientDet.load('person')
      tell(titleOf(detector))
      tellCircumstances(detector)
      await detectAll(detector, [bundledPath('person/person.jpg')], {}, annotator, false)
      say(
        '\nThe bundled model knows people only. COCO has 90 classes: "efficientdet pull d0" fetches its weights, then',
      )
      say(
        '"efficientdet detect street.jpg --model d0". Your own weights: "efficientdet detect street.jpg --model best.pth".',
      )
    })
}
