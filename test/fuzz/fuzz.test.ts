import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { outcomeOf, TARGETS } from './targets.js'

/** What the fuzzer kept: inputs that each went another way through a reader. */
function corpusOf(name: string): Uint8Array[] {
  const path = join(import.meta.dirname, '..', 'fixtures', 'fuzz', `${name}.json`)
  return (JSON.parse(readFileSync(path, 'utf8')) as string[]).map((each) => Buffer.from(each, 'base64'))
}

describe('what the fuzzer kept', () => {
  it.each([...TARGETS.keys()])('for %s is read, or refused with a typed error', async (name) => {
    const outcomes = new Map<string, number>()
    for (const bytes of corpusOf(name)) {
      const outcome = await outcomeOf(TARGETS.get(name)!, bytes)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    // Both occur: if all were refused, or all read, little would have been seen of the reader.
    expect(outcomes.get('read')).toBeGreaterThan(0)
    expect(outcomes.size).toBeGreaterThan(1)
  })
})
