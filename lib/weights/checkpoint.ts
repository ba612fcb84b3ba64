import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

import { EfficientDetError } from '../base/errors.js'
import { fileKind, HEAD_BYTES } from './file-kind.js'
import { openPyTorch } from './pytorch/pytorch.js'
import { openSafetensors } from './safetensors/reader.js'
import type { Checkpoint } from './tensor.js'
import { readBytes, type WeightsFile, weightsError } from './weights-file.js'

export interface OpenedCheckpoint extends Checkpoint {
  /** The model's name that a trainer (timm) stored beside its weights, such as `tf_efficientdet_d0`. */
  readonly arch?: string
}

/**
 * Opens a weights file by what it is, whatever its name: PyTorch's (both containers) or safetensors. Reads
 * no weights; the file stays open for its tensors' `read()` until `close()`.
 *
 * @throws ERR_MODEL_NOT_FOUND when there is no such file; ERR_WEIGHTS when it is a folder, empty, damaged or
 * of another kind, which is named; ERR_UNSAFE_PICKLE when its pickle asks for something that could act.
 */
export async function openCheckpoint(path: string): Promise<OpenedCheckpoint> {
  const handle = await openFile(path)
  try {
    const stats = await handle.stat()
    if (stats.isDirectory()) throw weightsError({ path }, 'is a folder; give the weights file inside of it.')
    if (!stats.isFile())
      throw weightsError({ path }, 'is a device or pipe; give a file, which can be read anywhere.')
    if (stats.size === 0) throw weightsError({ path }, 'is empty. The download or copy did not finish.')
    const opened = await openKnown({ path, handle, size: stats.size })
    return { ...opened, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw isSystemError(error) ? weightsError({ path }, `cannot be read (${error.message}).`, error) : error
  }
}

async function openKnown(file: WeightsFile): Promise<Omit<OpenedCheckpoint, 'close'>> {
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

/** Opening a pipe would wait for its writer; Windows has neither the flag nor the wait. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, READ_WITHOUT_WAITING)
  } catch (cause) {
    if (isSystemError(cause) && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) {
      throw new EfficientDetError('ERR_MODEL_NOT_FOUND', `${path}: there is no such file.`, { cause })
    }
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw weightsError({ path }, `cannot be opened (${reason}).`, cause)
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
