#!/usr/bin/env node
import { Command } from 'commander'
import { EfficientDetError } from '../errors.js'
import { VERSION } from '../version.js'
import { addExportCommand } from './export.js'
import { tell } from './output.js'

const program = new Command('efficientdet')
  .description('EfficientDet object detection: from a checkpoint to boxes, with no Python')
  .version(VERSION)
  .showHelpAfterError('(--help shows the options)')
  .showSuggestionAfterError()
addExportCommand(program)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof EfficientDetError)) throw error
  tell(`error: ${error.message} [${error.code}]`)
  process.exitCode = 1
}
