import { type Entry, fromRandomAccessReader, RandomAccessReader, type ZipFile } from 'yauzl'

import { EfficientDetError } from '../../base/errors.js'
import { MAX_TENSORS } from '../../base/limits.js'
import { abridged } from '../../base/listing.js'
import { INCOMPLETE } from '../advice.js'
import { readBytes, type WeightsFile, weightsError } from '../weights-file.js'

/** A file inside of a zip archive that lies there uncompressed, as everything in PyTorch's archives does. */
export interface ZipEntry {
  /** Bytes. */
  readonly size: number
  /**
   * The position of its first byte in the archive, which only the header before it tells.
   *
   * @throws ERR_WEIGHTS when that header is damaged or the entry is compressed or encrypted.
   */
  locate(): Promise<number>
}

/** PyTorch makes one entry per storage, and few beside them. */
const MAX_ENTRIES = MAX_TENSORS + 100

/**
 * The entries of a zip archive (ZIP64 included) by name, from the directory at its end alone.
 *
 * @throws ERR_WEIGHTS when the directory is damaged, reaches out of the file or has a name twice.
 */
export async function readZipDirectory(file: WeightsFile): Promise<ReadonlyMap<string, ZipEntry>> {
  const zip = await openZip(file)
  return new Promise((resolve, reject) => {
    const entries = new Map<string, ZipEntry>()
    const fail = (problem: string) => reject(weightsError(file, problem))

    zip.on('error', (cause) => reject(damage(file, 'the zip directory is damaged', cause)))
    zip.on('end', () => resolve(entries))
    zip.on('entry', (entry: Entry) => {
      const { fileName, uncompressedSize, relativeOffsetOfLocalHeader } = entry
      if (entries.has(fileName)) return fail(`the zip archive has two entries named "${abridged(fileName)}".`)
      if (relativeOffsetOfLocalHeader + uncompressedSize > file.size && entry.compressionMethod === 0) {
        return fail(
          `the zip entry "${abridged(fileName)}" of ${uncompressedSize} bytes reaches out of the file.`,
        )
      }
      if (entries.size === MAX_ENTRIES) return fail(`the zip archive has more than ${MAX_ENTRIES} entries.`)
      entries.set(fileName, { size: uncompressedSize, locate: () => locate(file, zip, entry) })
      zip.readEntry()
    })
    zip.readEntry()
  })
}

/**
 * Reads with our own checks. yauzl's reader throws within a callback, which ends the process, for a position beyond
 * 2⁵³, and may read from a closed file's number.
 */
class CheckedReader extends RandomAccessReader {
  readonly #file: WeightsFile

  constructor(file: WeightsFile) {
    super()
    this.#file = file
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    readBytes(this.#file, position, length).then((bytes) => {
      buffer.set(bytes, offset)
      callback(null)
    }, callback)
  }
}

function openZip(file: WeightsFile): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    // The handle stays ours: autoClose would close it.
    const options = { lazyEntries: true, autoClose: false }
    fromRandomAccessReader(new CheckedReader(file), file.size, options, (cause, zip) => {
      if (!cause) return resolve(zip)
      const problem = 'begins like a zip archive, but its directory at the end cannot be read'
      reject(damage(file, problem, cause))
    })
  })
}

function locate(file: WeightsFile, zip: ZipFile, entry: Entry): Promise<number> {
  return new Promise((resolve, reject) => {
    if (entry.compressionMethod !== 0 || !entry.canDecodeFileData()) {
      throw weightsError(
        file,
        `the zip entry "${abridged(entry.fileName)}" is compressed or encrypted, which PyTorch never does. ` +
          'Save the checkpoint again with torch.save.',
      )
    }
    zip.readLocalFileHeader(entry, { minimal: true }, (cause, header) => {
      if (!cause) return resolve(header.fileDataStart)
      reject(damage(file, `the zip entry "${abridged(entry.fileName)}" is damaged`, cause))
    })
  })
}

/** What yauzl found, or what the reader under it found, which is a whole sentence already. */
function damage(file: WeightsFile, problem: string, cause: Error): EfficientDetError {
  return cause instanceof EfficientDetError
    ? cause
    : weightsError(file, `${problem} (${cause.message}). ${INCOMPLETE}`, cause)
}
