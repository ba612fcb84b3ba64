import { stat } from 'node:fs/promises'
import { extname, isAbsolute } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { glob, isDynamicPattern } from 'tinyglobby'
import { EfficientDetError } from '../base/errors.js'
import { MAX_MANIFEST_LINE } from '../base/limits.js'
import { LongLine, linesOf, readLines } from '../base/lines.js'
import { FileProblem, openFile } from '../base/open-file.js'
import { isImageName } from '../image/image-name.js'
import type { Source } from '../image/source.js'
import { checkedUri, type Entry, EntryProblem, entryOfJson } from './entry.js'
import { walk } from './folder-walk.js'
import { s3Entries, s3Location, s3Object } from './s3.js'
import { memberOf, tarEntries } from './tar.js'

/** The source that is a list on standard input. */
const STDIN = '-'

/**
 * The pictures of sources, in an order that is the same each time, as they are found:
 *
 * - a folder, with all below it; a glob pattern; a picture
 * - a list, one path a line (`.txt`, `.lst`), or `-` for standard input
 * - a manifest, one JSON object with `uri` and maybe `id` a line (`.jsonl`, `.ndjson`)
 * - a tar archive; its pictures are read where they lie
 * - `s3://bucket/prefix`; lists and manifests may name `s3://` objects too
 *
 * @throws EfficientDetError ERR_SOURCES; the signal's reason
 */
export async function* entriesOf(sources: readonly string[], signal: AbortSignal): AsyncGenerator<Entry> {
  for (const source of sources) yield* entriesOfOne(source, signal)
}

async function* entriesOfOne(source: string, signal: AbortSignal): AsyncGenerator<Entry> {
  const location = s3Location(source)
  if (location !== null) {
    yield* isImageName(source) ? [{ uri: source }] : s3Entries(location, signal)
    return
  }
  if (source === STDIN) {
    yield* listEntries(source, pathOfLine, signal)
    return
  }
  const stats = await stat(source).catch(() => null)
  if (stats?.isDirectory()) {
    for await (const uri of walk(source, signal)) yield { uri }
  } else if (stats === null && isDynamicPattern(source)) {
    const matches = await glob(source, { absolute: isAbsolute(source), expandDirectories: false, signal })
    for (const uri of matches.filter(isImageName).sort()) yield { uri }
  } else {
    yield* fileEntries(source, signal)
  }
}

async function* fileEntries(source: string, signal: AbortSignal): AsyncGenerator<Entry> {
  switch (extname(source).toLowerCase()) {
    case '.tar':
      return yield* tarEntries(source, signal)
    case '.jsonl':
    case '.ndjson':
      return yield* listEntries(source, entryOfJson, signal)
    case '.txt':
    case '.lst':
      return yield* listEntries(source, pathOfLine, signal)
    default:
      // What is not there is reported like any other bad picture.
      yield { uri: source }
  }
}

function pathOfLine(line: string): Entry {
  return { uri: checkedUri(line) }
}

async function* listEntries(
  path: string,
  read: (line: string) => Entry,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  const title = path === STDIN ? 'Standard input' : path
  const refuse = (reason: string, cause: unknown) => {
    throw new EfficientDetError('ERR_SOURCES', `${title} ${reason}.`, { cause })
  }
  let number = 0
  try {
    await using file = path === STDIN ? null : await openFile(path)
    const lines =
      file === null
        ? linesOf(stdinUntil(signal), MAX_MANIFEST_LINE)
        : readLines(file.handle, MAX_MANIFEST_LINE, signal)
    for await (const line of lines) {
      number++
      if (line.trim() !== '') yield read(line)
    }
  } catch (cause) {
    if (cause instanceof EntryProblem)
      refuse(`is no list of pictures: line ${number} ${cause.message}`, cause)
    if (cause instanceof LongLine) {
      refuse(`is no list of pictures: line ${cause.line} has more than ${MAX_MANIFEST_LINE} bytes`, cause)
    }
    if (cause instanceof FileProblem) refuse(cause.message, cause)
    signal.throwIfAborted()
    throw cause
  }
}

/** Standard input, which is left when the signal aborts: nothing waits for its end. */
async function* stdinUntil(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* addAbortSignal(signal, process.stdin)
}

/** What a detector reads an entry from. */
export function sourceOf({ uri, within }: Entry, signal: AbortSignal): Source {
  if (within !== undefined) return memberOf(within)
  const location = s3Location(uri)
  return location === null ? uri : s3Object(location, signal)
}
