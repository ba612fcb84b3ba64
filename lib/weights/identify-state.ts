import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'
import { type Identified, identify, type Wanted } from './identify.js'
import type { Checkpoint, StoredState, StoredTensor } from './tensor.js'

interface IdentifiedState {
  readonly state: StoredState
  readonly identified: Identified
}

/**
 * Takes the likeliest state dict of a file, or the next that is a whole network where it is none.
 *
 * @throws EfficientDetError as `identify` does, about the likeliest
 */
export function firstIdentified(
  checkpoint: Pick<Checkpoint, 'others' | keyof StoredState>,
  wanted: Wanted,
): IdentifiedState {
  try {
    return identifiedIn(checkpoint, wanted)
  } catch (error) {
    if (!(error instanceof EfficientDetError) || error.code !== 'ERR_WEIGHTS') throw error
    for (const open of checkpoint.others) {
      try {
        const { state, identified } = identifiedIn(open(), wanted)
        const note = `Passed over, as it holds no whole network: "${abridged(checkpoint.name)}".`
        return { state: { ...state, notes: [...state.notes, note] }, identified }
      } catch (other) {
        if (!(other instanceof EfficientDetError)) throw other
      }
    }
    throw error
  }
}

function identifiedIn(state: StoredState, wanted: Wanted): IdentifiedState {
  const tensors = new Map<string, StoredTensor | string>([...state.tensors, ...state.unreadable])
  return { state, identified: identify(tensors, wanted) }
}
