import { type Entry, fromFd, type ZipFile } from 'yauzl'

import { checkOpen, type WeightsFile, weightsError } from './weights-file.js'

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

/** PyTorch makes one entry per storage; the largest EfficientDet has about 2,000. */
const MAX_ENTRIES = 100_000

/**
 * The entries of a zip archive (ZIP64 included) by name, from the directory at its end alone.
 *
 * @throws ERR_WEIGHTS when the directory is damaged, reaches out of the file or has a name twice.
 */
export async function readZipDirectory(file: WeightsFile): Promise<ReadonlyMap<string, ZipEntry>> {
  const zip = await openZip(file)
  return new Promise((resolve, reject) => {
    const entries = new Map<string, ZipEntry>()
    const fail = (problem: string, cause?: unknown) => reject(weightsError(file, problem, cause))

    zip.on('error', (cause) => fail(`the zip directory is damaged: ${cause.message}.`, cause))
    zip.on('end', () => resolve(entries))
    zip.on('entry', (entry: Entry) => {
      const { fileName, uncompressedSize, relativeOffsetOfLocalHeader } = entry
      if (entries.has(fileName)) return fail(`the zip archive has two entries named "${fileName}".`)
      if (relativeOffsetOfLocalHeader + uncompressedSize > file.size && entry.compressionMethod === 0) {
        return fail(`the zip entry "${fileName}" of ${uncompressedSize} bytes reaches out of the file.`)
      }
      if (entries.size === MAX_ENTRIES) return fail(`the zip archive has more than ${MAX_ENTRIES} entries.`)
      entries.set(fileName, { size: uncompressedSize, locate: () => locate(file, zip, entry) })
      zip.readEntry()
    })
    zip.readEntry()
  })
}

function openZip(file: WeightsFile): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    // The handle stays ours: autoClose would close the descriptor under it.
    fromFd(file.handle.fd, { lazyEntries: true, autoClose: false }, (cause, zip) => {
      if (!cause) return resolve(zip)
      const problem = `begins like a zip archive, but its directory at the end cannot be read (${cause.message}).`
      reject(weightsError(file, `${problem} The file is damaged or was not copied completely.`, cause))
    })
  })
}

async function locate(file: WeightsFile, zip: ZipFile, entry: Entry): Promise<number> {
  checkOpen(file)
  if (entry.compressionMethod !== 0 || !entry.canDecodeFileData()) {
    throw weightsError(
      file,
      `the zip entry "${entry.fileName}" is compressed or encrypted, which PyTorch never does. Save the checkpoint again with torch.save.`,
    )
  }
  return new Promise((resolve, reject) => {
    zip.readLocalFileHeader(entry, { minimal: true }, (cause, header) => {
      if (!cause) return resolve(header.fileDataStart)
      reject(weightsError(file, `the zip entry "${entry.fileName}" is damaged: ${cause.message}.`, cause))
    })
  })
}
