/** How large and how deep JSON is, told by its punctuation, before anything of it is parsed. */
export interface JsonExtent {
  /** Keys of objects. */
  readonly keys: number
  /** Values and keys, or more where the text is no JSON. */
  readonly values: number
  readonly depth: number
}

/** Measures JSON in one pass that stores nothing. Parsing takes up to a hundred bytes for each byte of JSON. */
export function jsonExtent(json: Uint8Array): JsonExtent {
  let keys = 0
  let values = 1
  let level = 0
  let depth = 0
  let inText = false
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (inText) {
      if (byte === 0x5c /* \ */) i++
      else if (byte === 0x22 /* " */) inText = false
    } else if (byte === 0x22) inText = true
    else if (byte === 0x2c /* , */) values++
    else if (byte === 0x3a /* : */) {
      keys++
      values++
    } else if (byte === 0x7b /* { */ || byte === 0x5b /* [ */) {
      values++
      level++
      if (level > depth) depth = level
    } else if (byte === 0x7d /* } */ || byte === 0x5d /* ] */) level--
  }
  return { keys, values, depth }
}
