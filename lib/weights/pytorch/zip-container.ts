import { abridged } from '../../base/listing.js'
import { SAVE_LITTLE_ENDIAN } from '../advice.js'
import { fileReader, readBytes, type WeightsFile, weightsError } from '../weights-file.js'
import { unpickle } from './pickle.js'
import type { PickleValue } from './pickle-values.js'
import type { StoredBytes } from './tensor.js'
import { readZipDirectory, type ZipEntry } from './zip.js'

/** What a file of PyTorch's holds, whichever container it is: the saved object, and where its bytes lie. */
export interface PyTorchFile {
  readonly format: 'pytorch-zip' | 'pytorch-legacy'
  readonly root: PickleValue
  storage(key: string): StoredBytes | undefined
}

/** The newest archive version that PyTorch's reader knows (kMaxSupportedFileFormatVersion, inline_container.h). */
const MAX_VERSION = 10

/**
 * Reads the container of PyTorch ≥ 1.6: an uncompressed zip archive with `<root>/data.pkl` and the bytes of
 * each storage in `<root>/data/<key>`. Only its directory and the pickle are read.
 *
 * @throws ERR_WEIGHTS for other zip archives, TorchScript and big-endian files, each named as what it is;
 * ERR_UNSAFE_PICKLE.
 */
export async function readPyTorchZip(file: WeightsFile): Promise<PyTorchFile> {
  const entries = await readZipDirectory(file)
  const root = rootOf(file, entries)

  const version = await smallText(file, entries.get(`${root}version`))
  if (Number(version) > MAX_VERSION) {
    throw weightsError(
      file,
      `is a PyTorch archive of version ${version}, but ${MAX_VERSION} is the newest known.`,
    )
  }
  const byteOrder = await smallText(file, entries.get(`${root}byteorder`))
  if (byteOrder !== undefined && byteOrder !== 'little') {
    const found = byteOrder === 'big' ? 'big-endian' : `in the unknown byte order "${byteOrder}"`
    throw weightsError(file, `its numbers are ${found}. ${SAVE_LITTLE_ENDIAN}`)
  }

  const pickle = entries.get(`${root}data.pkl`)
  if (!pickle) throw weightsError(file, 'the zip archive has no data.pkl.')
  const start = await pickle.locate()
  return {
    format: 'pytorch-zip',
    root: unpickle(fileReader(file, start, start + pickle.size), { name: file.path }),
    storage(key) {
      const entry = entries.get(`${root}data/${key}`)
      return entry && { size: entry.size, read: (offset, length) => readPart(file, entry, offset, length) }
    },
  }
}

async function readPart(
  file: WeightsFile,
  entry: ZipEntry,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  return readBytes(file, (await entry.locate()) + offset, length)
}

/** The folder that everything lies in, with its slash. */
function rootOf(file: WeightsFile, entries: ReadonlyMap<string, ZipEntry>): string {
  const names = [...entries.keys()]
  const pickle = names.find((name) => /^[^/]+\/data\.pkl$/.test(name))
  const root = pickle?.slice(0, -'data.pkl'.length)
  if (root === undefined) {
    const listed = names.slice(0, 3).map((name) => `"${abridged(name)}"`)
    const content =
      names.length === 0 ? 'it is empty' : `it holds ${listed.join(', ')}${names.length > 3 ? ', …' : ''}`
    throw weightsError(
      file,
      `is a zip archive, but not one that torch.save wrote (${content}). Give the weights file itself.`,
    )
  }
  if (names.some((name) => name === `${root}constants.pkl` || name.startsWith(`${root}code/`))) {
    throw weightsError(
      file,
      'is a TorchScript program (torch.jit.save), not a state dict. ' +
        "Save the weights alone: torch.save(torch.jit.load(path).state_dict(), 'weights.pth').",
    )
  }
  return root
}

async function smallText(file: WeightsFile, entry: ZipEntry | undefined): Promise<string | undefined> {
  if (!entry) return undefined
  const bytes = await readPart(file, entry, 0, Math.min(entry.size, 64))
  return Buffer.from(bytes).toString('latin1').trim()
}
