/** Pseudorandom numbers that a seed repeats. */
export interface Random {
  /** A whole number in 0…n−1. */
  int(n: number): number
  /** A number in [0, 1). */
  float(): number
}

/** mulberry32 (T. Ettinger, public domain): 32 bits of state, plenty for tests. */
export function random(seed: number): Random {
  let state = seed | 0
  function float(): number {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
  return { float, int: (n) => Math.floor(float() * n) }
}
