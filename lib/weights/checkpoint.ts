import { EfficientDetError } from '../base/errors.js'
import { FileProblem, type OpenFile, openFile } from '../base/open-file.js'
import { fileKind, HEAD_BYTES } from './file-kind.js'
import { openPyTorch } from './pytorch/pytorch.js'
import { openSafetensors } from './safetensors/reader.js'
import type { Checkpoint } from './tensor.js'
import { readBytes, type WeightsFile, weightsError } from './weights-file.js'

/**
 * Opens a weights file by what it is, whatever its name: PyTorch's (both containers) or safetensors. Reads no
 * weights; the file stays open for its tensors' `read()` until `close()`.
 *
 * @throws ERR_MODEL_NOT_FOUND for no such file; ERR_WEIGHTS for a folder, or one that is empty, damaged or of another
 *   kind; ERR_UNSAFE_PICKLE for a pickle that could act.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { handle, size } = await open(path)
  try {
    if (size === 0) throw weightsError({ path }, 'is empty. The download or copy did not finish.')
    const opened = await openKnown({ path, handle, size })
    return { ...opened, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw isSystemError(error) ? weightsError({ path }, `cannot be read (${error.message}).`, error) : error
  }
}

async function openKnown(file: WeightsFile): Promise<Omit<Checkpoint, 'close'>> {
  const kind = fileKind(await readBytes(file, 0, Math.min(file.size, HEAD_BYTES)))
  if ('foreign' in kind) throw weightsError(file, `is ${kind.foreign}`)
  switch (kind.format) {
    case 'safetensors':
      return openSafetensors(file)
    case 'pytorch-zip':
      return openPyTorch(file, 'zip')
    case 'pytorch-legacy':
      return openPyTorch(file, 'legacy')
  }
}

async function open(path: string): Promise<OpenFile> {
  try {
    return await openFile(path)
  } catch (cause) {
    if (!(cause instanceof FileProblem)) throw cause
    switch (cause.obstacle) {
      case 'missing':
        throw new EfficientDetError('ERR_MODEL_NOT_FOUND', `${path}: there is no such file.`, { cause })
      case 'folder':
        throw weightsError({ path }, 'is a folder; give the weights file inside of it.')
      case 'special':
        throw weightsError({ path }, 'is a device or pipe; give a file, which can be read anywhere.')
      default:
        throw weightsError({ path }, `${cause.message}.`, cause)
    }
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
