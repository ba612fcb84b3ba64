export interface BatchNorm {
  readonly gamma: Float32Array
  readonly beta: Float32Array
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly epsilon: number
}

/**
 * Folds an inference-time BatchNorm into the convolution before it: γ (W∗x + b − μ) / √(σ² + ε) + β is a
 * convolution again. Computed in double precision; `weight` is [out, …], row-major.
 */
export function foldBatchNorm(
  weight: Float32Array,
  bias: Float32Array | null,
  { gamma, beta, mean, variance, epsilon }: BatchNorm,
): { weight: Float32Array; bias: Float32Array } {
  const out = gamma.length
  const perChannel = weight.length / out
  const folded = { weight: new Float32Array(weight.length), bias: new Float32Array(out) }
  for (let o = 0; o < out; o++) {
    const scale = gamma[o]! / Math.sqrt(variance[o]! + epsilon)
    const end = (o + 1) * perChannel
    for (let i = o * perChannel; i < end; i++) folded.weight[i] = weight[i]! * scale
    folded.bias[o] = ((bias?.[o] ?? 0) - mean[o]!) * scale + beta[o]!
  }
  return folded
}
