import type { Command } from 'commander'
import { EfficientDet } from '../api/detector.js'
import { bundledPath } from '../hub/bundled.js'
import { Annotator } from './annotate.js'
import { parsePath } from './arguments.js'
import { detectAll } from './detect.js'
import { printCircumstances, titleOf } from './detector.js'
import { print, printError, printNotes } from './output.js'

export function addDemoCommand(program: Command, signal: AbortSignal): void {
  program
    .command('demo')
    .description('find people in the bundled photograph')
    .option('--out <folder>', 'where to write the annotated picture', parsePath, 'demo-output')
    .action(async ({ out }: { out: string }) => {
      const image = bundledPath('person/person.jpg')
      const annotator = await Annotator.open(out, [image])
      printNotes(annotator.notes)
      await using detector = await EfficientDet.load('person', { signal })
      printError(titleOf(detector))
      printCircumstances(detector)
      await detectAll(detector, [image], { signal }, annotator, false)
      print(
        '',
        'The bundled model knows people only. COCO has 90 classes: "efficientdet pull d0" fetches its weights, then',
        '"efficientdet detect street.jpg --model d0". Your own weights: "efficientdet detect street.jpg --model best.pth".',
      )
    })
}
