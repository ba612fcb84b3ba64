#!/usr/bin/env node
import { inspect } from 'node:util'
import { Command, CommanderError } from 'commander'
import { EfficientDetError } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import { addBenchCommand } from './bench.js'
import { addBuildCommand } from './build.js'
import { addCheckDatasetCommand } from './check-dataset.js'
import { addConvertCommand } from './convert.js'
import { addDemoCommand } from './demo.js'
import { addDetectCommand } from './detect.js'
import { addDoctorCommand } from './doctor.js'
import { addEvalCommand } from './eval.js'
import { addExportCommand } from './export.js'
import { addInfoCommand } from './info.js'
import { addInspectCommand } from './inspect.js'
import { Interrupted, interruptible } from './interrupt.js'
import { print, printError } from './output.js'
import { addPullCommand } from './pull.js'
import { addScoreCommand } from './score.js'
import { addTrackCommand } from './track.js'
import { addVideoCommand } from './video.js'
import { addWorkerCommand } from './worker.js'

/** @param signal cancels whatever command runs */
function createProgram(signal: AbortSignal): Command {
  const program = new Command('efficientdet')
    .description('EfficientDet object detection: from a checkpoint to boxes, with no Python')
    .version(VERSION)
    .showHelpAfterError('(--help shows the options)')
    .showSuggestionAfterError()
    // What it quotes of the arguments may hold line ends; its own errors have one before a suggestion.
    .configureOutput({
      writeOut: (text) => print(...linesOf(text)),
      writeErr: (text) => printError(...linesOf(text)),
      outputError: (text) => printError(text.trim().replace(/\s*[\r\n]\s*/g, ' ')),
    })
    // Commander would exit before it is known whether its own output could be written.
    .exitOverride()
  addDetectCommand(program, signal)
  addScoreCommand(program, signal)
  addVideoCommand(program, signal)
  addWorkerCommand(program, signal)
  addDemoCommand(program, signal)
  addInfoCommand(program, signal)
  addConvertCommand(program, signal)
  addExportCommand(program, signal)
  addBuildCommand(program, signal)
  addInspectCommand(program, signal)
  addBenchCommand(program, signal)
  addTrackCommand(program, signal)
  addEvalCommand(program, signal)
  addCheckDatasetCommand(program)
  addPullCommand(program, signal)
  addDoctorCommand(program, signal)
  return program
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n')
}

async function run(signal: AbortSignal): Promise<void> {
  try {
    await createProgram(signal).parseAsync()
  } catch (error) {
    // Commander has told already what is wrong.
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode
  }
}

try {
  await interruptible(run)
} catch (error) {
  if (error instanceof Interrupted) {
    if (error.message !== '') printError(error.message)
    process.exitCode = error.exitCode
  } else if (error instanceof EfficientDetError) {
    printError(`error: ${error.message} [${error.code}]`)
    process.exitCode = 1
  } else {
    // What it quotes may have any lines; indented, none of them is taken for one of ours.
    const stack = linesOf(inspect(error)).map((line) => `  ${line}`)
    printError('error: This is a fault of efficientdet-trt itself. Please report it.', ...stack)
    process.exitCode = 1
  }
}
