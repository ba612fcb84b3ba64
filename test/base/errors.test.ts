import { describe, expect, it } from 'vitest'
import { EfficientDetError, type ErrorCode, isOfOneImage } from '#lib/base/errors.js'

describe('isOfOneImage', () => {
  it.each<[ErrorCode, boolean]>([
    ['ERR_IMAGE', true],
    ['ERR_IMAGE_TOO_LARGE', true],
    ['ERR_INVALID_OPTION', true],
    ['ERR_INFERENCE', true],
    ['ERR_OUT_OF_MEMORY', true],
    ['ERR_DEVICE_LOST', false],
    ['ERR_ENGINE_LOST', false],
    ['ERR_DISPOSED', false],
    ['ERR_PACKAGE_FILE', false],
    ['ERR_BACKEND_UNAVAILABLE', false],
  ])('says of %s: %s', (code, expected) => {
    expect(isOfOneImage(new EfficientDetError(code, 'as told'))).toBe(expected)
  })

  it('says no of what is no error of this package', () => {
    expect(isOfOneImage(new TypeError('a mistake'))).toBe(false)
    expect(isOfOneImage(undefined)).toBe(false)
  })
})

describe('EfficientDetError', () => {
  it('keeps its message and code in JSON, wherever it lies', () => {
    const error = new EfficientDetError('ERR_IMAGE', 'as told', { details: { width: 3 }, cause: () => {} })
    expect(JSON.parse(JSON.stringify({ source: null, error }))).toEqual({
      source: null,
      error: { name: 'EfficientDetError', code: 'ERR_IMAGE', message: 'as told', details: { width: 3 } },
    })
  })
})
