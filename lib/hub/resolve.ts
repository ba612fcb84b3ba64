import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../base/cache-folder.js'
import { closest } from '../base/closest.js'
import { EfficientDetError } from '../base/errors.js'
import { redacted } from '../base/listing.js'
import { FileProblem, openFile } from '../base/open-file.js'
import { BUNDLED_MODELS, bundledPath } from './bundled.js'
import { OFFICIAL_MODELS, officialModel } from './official.js'

/**
 * The weights file that a name stands for: a bundled model, an official one after `pull`, or a path. Names win over
 * files; `./person` is always a file.
 *
 * @throws EfficientDetError ERR_MODEL_NOT_FOUND
 */
export async function resolveModel(name: string): Promise<string> {
  if ((BUNDLED_MODELS as readonly string[]).includes(name)) {
    return bundledPath(`${name}/${name}.safetensors`)
  }
  const official = officialModel(name)
  if (official !== undefined) {
    const path = join(cacheFolder(), official.file)
    const problem = await problemOf(path)
    if (problem === null) return path
    throw new EfficientDetError(
      'ERR_MODEL_NOT_FOUND',
      problem.obstacle === 'missing'
        ? `The official weights of ${name} are not in ${cacheFolder()}. Run: efficientdet pull ${name}`
        : `The official weights of ${name} are not taken from the cache: ${path} ${problem.message}. ` +
            'Remove it and pull again, or give its path if it is meant.',
      { cause: problem },
    )
  }
  if (await exists(name)) return name
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(name)) {
    throw new EfficientDetError(
      'ERR_MODEL_NOT_FOUND',
      `${redacted(name)} is a URL, and models are files: download it and give its path, or the path of a file: URL ` +
        '(fileURLToPath of node:url).',
    )
  }
  const names = [...BUNDLED_MODELS, ...OFFICIAL_MODELS.map((model) => model.name)]
  const similar = closest(name, names)
  throw new EfficientDetError(
    'ERR_MODEL_NOT_FOUND',
    `${name}: there is no such file, nor a model of this name. ` +
      (similar === null ? `Models: ${names.join(', ')}.` : `Did you mean ${similar}?`),
  )
}

/** Opens nothing: whoever reads what is there says what is wrong with it. */
async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** What stands in the way of a file of the cache; null for nothing. */
async function problemOf(path: string): Promise<FileProblem | null> {
  try {
    await using _ = await openFile(path, { ours: true })
    return null
  } catch (error) {
    if (error instanceof FileProblem) return error
    throw error
  }
}
