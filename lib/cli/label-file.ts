import { readFile } from 'node:fs/promises'
import { EfficientDetError } from '../base/errors.js'

/**
 * Reads a label file: one name per line in the order of class ids, an empty line for a class without a name.
 * A byte order mark, CR LF and empty lines at the end change nothing.
 *
 * @throws EfficientDetError ERR_LABELS when the file cannot be read or is empty
 */
export async function readLabels(path: string): Promise<string[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new EfficientDetError('ERR_LABELS', `${path} cannot be read (${(cause as Error).message}).`, {
      cause,
    })
  }
  const labels = text
    .replace(/^\uFEFF/, '')
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.trim())
  if (labels.some((label) => label !== '')) return labels
  throw new EfficientDetError('ERR_LABELS', `${path} holds no names; expected one class name per line.`)
}
