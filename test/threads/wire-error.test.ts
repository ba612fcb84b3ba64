import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import { fromWire, toWire } from '#lib/threads/wire-error.js'

/** There and back, with what happens to it between threads. */
function sent(error: unknown): EfficientDetError {
  return fromWire(structuredClone(toWire(error)), 'ERR_INFERENCE')
}

describe('errors between threads', () => {
  it('keep code, message and details', () => {
    const original = new EfficientDetError('ERR_LABELS', 'There are 2 labels.', { details: { labels: 2 } })
    const error = sent(original)
    expect(error).toBeInstanceOf(EfficientDetError)
    expect(error).toMatchObject({ code: 'ERR_LABELS', message: original.message, details: { labels: 2 } })
  })

  it('show where they were thrown there, and where they are thrown here', () => {
    const original = new EfficientDetError('ERR_WEIGHTS', 'Damaged.')
    const error = sent(original)
    expect(error.stack).not.toBe(original.stack)
    expect((error.cause as Error).stack).toBe(original.stack)
  })

  it.each([
    [new RangeError('Out of range.'), 'Out of range.'],
    ['a text', 'a text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])('have the code of the work that failed where they bring none: %s', (thrown, message) => {
    expect(sent(thrown)).toMatchObject({
      name: 'EfficientDetError',
      code: 'ERR_INFERENCE',
      message,
      details: {},
    })
  })
})
