import { type Checkpoint, type StoredState, type StoredTensor, unreadableNotes } from '../tensor.js'
import { type WeightsFile, weightsError } from '../weights-file.js'
import { readPyTorchLegacy } from './legacy.js'
import { type StateDict, stateDictsIn } from './state-dict.js'
import { tensorFrom } from './tensor.js'
import { readPyTorchZip } from './zip-container.js'

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
): Promise<Omit<Checkpoint, 'close'>> {
  const { format, root, storage } = await (container === 'zip'
    ? readPyTorchZip(file)
    : readPyTorchLegacy(file))
  const found = stateDictsIn(root)
  if (typeof found === 'string') throw weightsError(file, found)
  const opened = (chosen: StateDict): StoredState => {
    const tensors = new Map<string, StoredTensor>()
    const unreadable = new Map<string, string>()
    for (const [name, value] of chosen.tensors) {
      const tensor = tensorFrom(value, name, file, storage)
      if (typeof tensor === 'string') unreadable.set(name, tensor)
      else tensors.set(name, tensor)
    }
    return { ...chosen, tensors, unreadable, notes: [...chosen.notes, ...unreadableNotes(unreadable)] }
  }
  const [first, ...others] = found
  return { ...opened(first!), others: others.map((other) => () => opened(other)), format, metadata: {} }
}
