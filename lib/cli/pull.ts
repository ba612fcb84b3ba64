import type { Command } from 'commander'
import { inspectWeights } from '../api/models.js'
import { closest } from '../base/closest.js'
import { EfficientDetError } from '../base/errors.js'
import { hasWholeSum, OFFICIAL_MODELS, type OfficialModel, officialModel } from '../hub/official.js'
import { type PullOptions, pullModel } from '../hub/pull.js'
import { parseUrl } from './arguments.js'
import { print, printNotes } from './output.js'
import { ProgressBar } from './progress.js'

type PullFlags = Pick<PullOptions, 'mirror' | 'trustMirror'>

export function addPullCommand(program: Command, signal: AbortSignal): void {
  const names = OFFICIAL_MODELS.map(({ name }) => name)
  const unsure = OFFICIAL_MODELS.filter((model) => !hasWholeSum(model)).length
  program
    .command('pull')
    .description('download official COCO weights into the cache folder')
    .argument('<model...>', names.join(', '))
    .option('--mirror <url>', "a server's folder that has effdet's release files", parseUrl)
    .option(
      '--trust-mirror',
      `take from it also the ${unsure} models of whose SHA-256 only the first digits are known`,
      false,
    )
    .action(async (models: string[], flags: PullFlags) => {
      for (const name of models) await pull(name, flags, signal)
    })
}

async function pull(name: string, flags: PullFlags, signal: AbortSignal): Promise<void> {
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
  const { path, cached, sha256 } = await pullModel(model, {
    ...flags,
    signal,
    check: (partial) => checkModel(partial, model, signal),
    onProgress: (received, total) => {
      if (total !== null) bar.update(Math.floor(received / 1e6), Math.ceil(total / 1e6))
    },
  }).finally(() => bar.end())
  print(`${name}: ${path}${cached ? ' (there already, verified)' : ''}`)
  if (hasWholeSum(model)) return
  printNotes([
    `${name}: only the first ${model.sha256.length} digits of its SHA-256 are known, which another file can be made to have. ` +
      `This one has ${sha256}: compare it with one that you trust.`,
  ])
}

/** @throws EfficientDetError for a file of anything but the model's weights */
export async function checkModel(
  path: string,
  { variant }: OfficialModel,
  signal: AbortSignal,
): Promise<void> {
  const { identified } = await inspectWeights(path, { signal })
  const names = identified.variants.map(({ name }) => name)
  if (names.includes(variant)) return
  throw new EfficientDetError('ERR_WEIGHTS', `It is EfficientDet-${names.join(' or ')}; expected ${variant}.`)
}
