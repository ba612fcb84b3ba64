import { type Checkpoint, type StoredTensor, unreadableNotes } from '../tensor.js'
import { type WeightsFile, weightsError } from '../weights-file.js'
import { readPyTorchLegacy } from './legacy.js'
import { chooseStateDict } from './state-dict.js'
import { tensorFrom } from './tensor.js'
import { readPyTorchZip } from './zip-container.js'

export interface PyTorchCheckpoint extends Omit<Checkpoint, 'close'> {
  /** The model's name that a trainer (timm) stored beside its weights. */
  readonly arch?: string
}

/**
 * Opens what torch.save wrote, in the container of PyTorch ≥ 1.6 (zip) or the one before, without reading weights.
 * The chosen tensors are checked to lie within the file.
 *
 * @throws ERR_WEIGHTS when the file is damaged, holds a whole module, or no tensors; ERR_UNSAFE_PICKLE when its
 *   pickle asks for something that could act.
 */
export async function openPyTorch(
  file: WeightsFile,
  container: 'zip' | 'legacy',
): Promise<PyTorchCheckpoint> {
  const { format, root, storage } = await (container === 'zip'
    ? readPyTorchZip(file)
    : readPyTorchLegacy(file))
  const chosen = chooseStateDict(root)
  if (typeof chosen === 'string') throw weightsError(file, chosen)

  const tensors = new Map<string, StoredTensor>()
  const unreadable = new Map<string, string>()
  for (const [name, value] of chosen.tensors) {
    const tensor = tensorFrom(value, name, file, storage)
    if (typeof tensor === 'string') unreadable.set(name, tensor)
    else tensors.set(name, tensor)
  }
  const notes = [...chosen.notes, ...unreadableNotes(unreadable)]
  return {
    format,
    tensors,
    unreadable,
    metadata: {},
    notes,
    ...(chosen.arch !== undefined && { arch: chosen.arch }),
  }
}
