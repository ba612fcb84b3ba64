import { pipeline } from 'node:stream/promises'
// Headers in four dialects (ustar, pax, GNU, old), which are more than a few lines can read rightly.
import { extract } from 'tar-stream'
import { EfficientDetError } from '../base/errors.js'
import { FileProblem, openFile, readInto } from '../base/open-file.js'
import type { BlobLike } from '../image/bytes.js'
import { isImageName } from '../image/image-name.js'
import { Turns } from '../threads/turns.js'
import type { Entry, Extent } from './entry.js'

/**
 * The pictures of a tar archive, such as a shard of WebDataset, and where they lie in it; nothing is unpacked.
 *
 * @throws EfficientDetError ERR_SOURCES for what is none, or damaged; the signal's reason
 */
export async function* tarEntries(archive: string, signal: AbortSignal): AsyncGenerator<Entry> {
  const refuse = (cause: unknown): never => {
    signal.throwIfAborted()
    const reason =
      cause instanceof FileProblem
        ? cause.message
        : `is no tar archive, or damaged (${(cause as Error).message})`
    throw new EfficientDetError('ERR_SOURCES', `${archive} ${reason}.`, { cause })
  }
  try {
    await using file = await openFile(archive)
    const reader = extract()
    const turns = new Turns()
    const reading = pipeline(
      file.handle.createReadStream({ autoClose: false, highWaterMark: 2 ** 20 }),
      reader,
      {
        signal,
      },
    )
    // Told by the loop, too.
    reading.catch(() => {})
    for await (const entry of reader) {
      const { name, type, size, byteOffset } = entry.header as typeof entry.header & { byteOffset: number }
      entry.resume()
      if (turns.due) await turns.give()
      if (type === 'file' && isImageName(name) && size !== undefined) {
        yield { uri: `${archive}!${name}`, within: { file: archive, offset: byteOffset, size } }
      }
    }
    await reading
  } catch (cause) {
    refuse(cause)
  }
}

/** A member of an archive, read when its turn comes. */
export function memberOf({ file: path, offset, size }: Extent): BlobLike {
  const arrayBuffer = async () => {
    await using file = await openFile(path)
    const bytes = new Uint8Array(size)
    const length = await readInto(file.handle, bytes, offset)
    if (length < size) throw new Error(`${path} ends within it`)
    return bytes.buffer
  }
  return { size, type: '', arrayBuffer, stream: () => null }
}
