import type { Command } from 'commander'
import { closest } from '../base/closest.js'
import { EfficientDetError } from '../base/errors.js'
import { OFFICIAL_MODELS, officialModel } from '../hub/official.js'
import { pullModel } from '../hub/pull.js'
import { print } from './output.js'
import { ProgressBar } from './progress.js'

export function addPullCommand(program: Command, signal: AbortSignal): void {
  const names = OFFICIAL_MODELS.map(({ name }) => name)
  program
    .command('pull')
    .description('download official COCO weights into the cache folder')
    .argument('<model...>', names.join(', '))
    .option('--mirror <url>', "a server's folder that has effdet's release files")
    .action(async (models: string[], { mirror }: { mirror?: string }) => {
      for (const name of models) await pull(name, mirror, signal)
    })
}

async function pull(name: string, mirror: string | undefined, signal: AbortSignal): Promise<void> {
  const model = officialModel(name)
  if (model === undefined) {
    const names = OFFICIAL_MODELS.map((official) => official.name)
    const similar = closest(name, names)
    throw new EfficientDetError(
      'ERR_MODEL_NOT_FOUND',
      `There are no official weights called "${name}". ` +
        (similar === null ? `There are ${names.join(', ')}.` : `Did you mean ${similar}?`),
    )
  }
  const bar = new ProgressBar('{value}/{total} MB, {eta_formatted} left')
  const onProgress = (received: number, total: number | null) => {
    if (total !== null) bar.update(Math.floor(received / 1e6), Math.ceil(total / 1e6))
  }
  const { path, cached } = await pullModel(model, { mirror, signal, onProgress }).finally(() => bar.end())
  print(`${name}: ${path}${cached ? ' (there already, verified)' : ''}`)
}
