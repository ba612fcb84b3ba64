import { expect } from 'vitest'

/** Matches an error of this package by its code and its sentence. */
export const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'EfficientDetError', code, message: expect.stringMatching(message) })
