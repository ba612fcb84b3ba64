import { EfficientDetError } from '../base/errors.js'

/** @throws EfficientDetError ERR_INFERENCE when a value of a network's output is NaN or infinite */
export function checkFinite(name: string, values: Float32Array): void {
  // Float64 holds the sum of any number of float32 values, so it is finite if they all are.
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  if (Number.isFinite(sum)) return
  const position = values.findIndex((value) => !Number.isFinite(value))
  throw notFinite(name, values, position)
}

export function notFinite(name: string, values: Float32Array, position: number): EfficientDetError {
  return new EfficientDetError(
    'ERR_INFERENCE',
    `The network answered ${values[position]} (${name}, position ${position}). Its weights are damaged, or overflow in float16.`,
  )
}
