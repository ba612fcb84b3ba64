import type { EfficientDetError } from '../base/errors.js'
import { inspect } from '../base/inspect.js'
import type { Source } from '../image/source.js'
import { checkNames, invalidOption } from '../options/checks.js'
import type { DetectionResult } from './result.js'

/** An image with anything of the caller's, such as a time or an id, that comes back with its result. */
export interface Item<Context = unknown> {
  readonly source: Source
  readonly context: Context
}

/** The `context` of an item; nothing of a source alone. */
export type ContextOf<I> = I extends Item<infer Context> ? { readonly context: Context } : unknown

/** Result of an item, with its context. */
export type ResultOf<I> = I extends unknown ? DetectionResult & ContextOf<I> : never

/** Error in the place of the image that it kept from being answered. */
export interface DetectionFailure {
  /** The path or URL that was given, or null for an image in memory. */
  readonly source: string | null
  readonly error: EfficientDetError
}

/** Result of an item, or the error in its place: `'error' in outcome` says which. */
export type OutcomeOf<I> = I extends unknown ? ResultOf<I> | (DetectionFailure & ContextOf<I>) : never

/** Images, or items with one each; neither a text nor the bytes of one image. */
export type Items<I> = object & (Iterable<I> | AsyncIterable<I>)

/** An item's source, and its context if it is more than a source. */
export interface Parts {
  readonly source: Source
  readonly context: { readonly context?: unknown }
}

/** The parts of an item or source. @throws EfficientDetError ERR_INVALID_OPTION for one that throws when looked at */
export function partsOf(item: Source | Item): Parts {
  return inspect('the item', () =>
    isItem(item)
      ? { source: item.source, context: { context: item.context } }
      : { source: item, context: {} },
  )
}

/** @throws EfficientDetError ERR_INVALID_OPTION for an item with anything else */
export function checkItem(item: Source | Item): void {
  inspect('the item', () => {
    if (isItem(item)) checkNames('an item', item, ['source', 'context'])
  })
}

/** A frame may have a field of that name too. */
function isItem(item: Source | Item): item is Item {
  return (
    typeof item === 'object' &&
    item !== null &&
    'source' in item &&
    !('data' in item) &&
    !('devicePointer' in item)
  )
}

/** @throws EfficientDetError ERR_INVALID_OPTION for what is one image, or nothing that can be iterated over */
export function checkItems<I>(items: Items<I>): Items<I> {
  // A stream that is not of objects, such as a file's or sharp, gives an image's bytes bit by bit.
  const isBytes = ArrayBuffer.isView(items) || Object(items).readableObjectMode === false
  const isOne = typeof items === 'string' || isBytes
  if (!isOne && (isMethod(items, Symbol.asyncIterator) || isMethod(items, Symbol.iterator))) return items
  const expected = 'an iterable or async iterable of images, such as a list; detect() takes a single one'
  throw invalidOption('sources', items, expected)
}

/** Whether an iterable has the one or the other; a null or undefined one counts as none, as in `for await`. */
export function isMethod(
  items: unknown,
  symbol: typeof Symbol.iterator | typeof Symbol.asyncIterator,
): boolean {
  return typeof Object(items)[symbol] === 'function'
}
