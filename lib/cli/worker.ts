import type { Command } from 'commander'
import { work } from '../batch/index.js'
import { WORK_OPTIONS, type WorkOptions } from '../options/batch.js'
import { ENGINE_OPTIONS } from '../options/engine.js'
import { LOAD_OPTIONS } from '../options/load.js'
import { parseIntegers } from './arguments.js'
import { addFlags, flagOf, given } from './flags.js'
import { printError, printJson } from './output.js'

const NAMES = ['backend', 'threads', 'libraryPath', 'backendLibrary', 'contexts', 'maxBatchSize'] as const

interface WorkerFlags extends Omit<NonNullable<WorkOptions['load']>, 'engine'> {
  readonly queue: string
  readonly selfTest: boolean
  readonly allowHostCode: boolean
  readonly json: boolean
}

export function addWorkerCommand(program: Command, signal: AbortSignal): void {
  const command = program
    .command('worker')
    .description('score shards that "score --queue" puts into Redis, until it is ended')
    .addOption(flagOf(WORK_OPTIONS, 'queue', { placeholder: '<url>' }).makeOptionMandatory())
    .addOption(flagOf(LOAD_OPTIONS, 'device', { placeholder: '<list>', parse: parseIntegers }))
    .addOption(flagOf(ENGINE_OPTIONS, 'selfTest'))
    .addOption(flagOf(ENGINE_OPTIONS, 'allowHostCode'))
    .option('--json', 'a JSON line for each shard', false)
  addFlags(command, LOAD_OPTIONS, NAMES).action((flags: WorkerFlags) => run(flags, signal))
}

async function run(flags: WorkerFlags, signal: AbortSignal): Promise<void> {
  await work({
    queue: flags.queue,
    load: {
      ...given(flags, [...NAMES, 'device']),
      engine: { selfTest: flags.selfTest, allowHostCode: flags.allowHostCode },
    },
    onShard: ({ out, shard }) =>
      flags.json ? printJson({ out, shard }) : printError(`${out}: shard ${shard} is done`),
    signal,
  })
}
