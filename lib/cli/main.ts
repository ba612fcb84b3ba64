#!/usr/bin/env node
import { Command } from 'commander'
import { EfficientDetError } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import { addBenchCommand } from './bench.js'
import { addBuildCommand } from './build.js'
import { addConvertCommand } from './convert.js'
import { addDemoCommand } from './demo.js'
import { addDetectCommand } from './detect.js'
import { addDoctorCommand } from './doctor.js'
import { addExportCommand } from './export.js'
import { addInfoCommand } from './info.js'
import { addInspectCommand } from './inspect.js'
import { Interrupted, outliveReader } from './interrupt.js'
import { tell } from './output.js'
import { addPullCommand } from './pull.js'

const program = new Command('efficientdet')
  .description('EfficientDet object detection: from a checkpoint to boxes, with no Python')
  .version(VERSION)
  .showHelpAfterError('(--help shows the options)')
  .showSuggestionAfterError()
addDetectCommand(program)
addDemoCommand(program)
addInfoCommand(program)
addConvertCommand(program)
addExportCommand(program)
addBuildCommand(program)
addInspectCommand(program)
addBenchCommand(program)
addPullCommand(program)
addDoctorCommand(program)

outliveReader()
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof Interrupted) process.exitCode = error.exitCode
  else if (error instanceof EfficientDetError) {
    tell(`error: ${error.message} [${error.code}]`)
    process.exitCode = 1
  } else throw error
}
