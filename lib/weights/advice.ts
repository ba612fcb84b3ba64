/* What several readers say about a file that they refuse, in whole sentences. */

export const INCOMPLETE = 'The file is damaged or was not copied completely.'

export const SAVE_STATE_DICT = "Save the weights with: torch.save(model.state_dict(), 'weights.pth')."

export const SAVE_LITTLE_ENDIAN =
  'Only little-endian files can be read. Load it with PyTorch and save it again on an ordinary (little-endian) computer.'
