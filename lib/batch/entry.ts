import { jsonExtent } from '../base/json.js'
import { MAX_URI_LETTERS } from '../base/limits.js'
import { show } from '../base/show.js'

/** One picture of a manifest. */
export interface Entry {
  /** What names it in all outputs: a path as it was given, `s3://bucket/key`, or `archive.tar!name`. */
  readonly uri: string
  /** The caller's own name of it, as COCO's results have it. */
  readonly id?: string | number
  /** Where its bytes lie within an archive. */
  readonly within?: Extent
}

/** Bytes of a file. */
export interface Extent {
  readonly file: string
  readonly offset: number
  readonly size: number
}

/** What is wrong with a line; the message is a predicate. */
export class EntryProblem extends Error {}

/** Values of a line: five names and values, and what a caller keeps beside them. */
const MAX_VALUES = 1000

/** @throws EntryProblem */
export function entryOfJson(text: string): Entry {
  if (jsonExtent(Buffer.from(text)).values > MAX_VALUES) {
    throw new EntryProblem(`has more than ${MAX_VALUES} values`)
  }
  const { uri, id, within } = parsed(text)
  return {
    uri: checkedUri(uri),
    ...(id !== undefined && { id: checkedId(id) }),
    ...(within !== undefined && { within: checkedExtent(within) }),
  }
}

/** @throws EntryProblem */
export function checkedUri(uri: unknown): string {
  if (typeof uri === 'string' && uri !== '' && uri.length <= MAX_URI_LETTERS && !uri.includes('\0'))
    return uri
  throw new EntryProblem(`has ${show(uri)} as uri; expected a path of at most ${MAX_URI_LETTERS} letters`)
}

function parsed(text: string): { uri?: unknown; id?: unknown; within?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch (cause) {
    throw new EntryProblem(`is no JSON (${(cause as Error).message})`)
  }
}

function checkedId(id: unknown): string | number {
  if (Number.isSafeInteger(id) || (typeof id === 'string' && id.length <= MAX_URI_LETTERS)) {
    return id as string | number
  }
  throw new EntryProblem(`has ${show(id)} as id; expected a text or a whole number`)
}

function checkedExtent(within: unknown): Extent {
  const { file, offset, size } = Object(within)
  if (Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(size) && size >= 0) {
    return { file: checkedUri(file), offset, size }
  }
  throw new EntryProblem('has no file, offset and size in within')
}
