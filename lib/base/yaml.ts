// YAML, and JSON as a part of it: indentation, anchors and quotes are more than a few lines can read rightly.
import { parseDocument, visit } from 'yaml'

/** What is wrong with a text; the message is a predicate, such as "has an object with the same key twice". */
export class YamlProblem extends Error {}

/** Characters that are parsed; the parser takes a second to read them all. */
export const MAX_YAML = 2 ** 16

/**
 * Parses YAML or JSON from outside into texts, lists, maps and null, and nothing that acts.
 *
 * @param scalars whether numbers and truth values are told from texts, or are texts as they are written
 * @throws YamlProblem
 */
export function parseYaml(text: string, scalars: 'typed' | 'texts'): unknown {
  const problem = (reason: string) => new YamlProblem(`looks like JSON or YAML, but is not (${reason})`)
  if (text.length > MAX_YAML) {
    throw new YamlProblem(`has ${text.length} characters of JSON or YAML, and ${MAX_YAML} are the most`)
  }
  if (isDeep(text)) throw new YamlProblem('nests deeper than such files do')
  try {
    const document = parseDocument(text, {
      ...(scalars === 'typed' ? { schema: 'core' } : { schema: 'failsafe', customTags: ['null'] }),
      prettyErrors: false,
      // It compares all with all.
      uniqueKeys: false,
    })
    const [error] = document.errors
    if (error !== undefined) throw problem(error.message)
    const value: unknown = document.toJS({ mapAsMap: true, maxAliasCount: 100 })
    visit(document, {
      Map(_, { items }) {
        const keys = new Set(items.map(({ key }) => String(key)))
        if (keys.size < items.length) throw new YamlProblem('has an object with the same key twice')
      },
    })
    return value
  } catch (cause) {
    throw cause instanceof YamlProblem ? cause : problem((cause as Error).message)
  }
}

/** Levels of brackets, and columns of indentation and dashes. */
const MAX_DEPTH = 100

/** The parser recurses, and a regular expression that V8 first compiles when the stack is full ends the process. */
function isDeep(text: string): boolean {
  let depth = 0
  for (const sign of text) {
    if (sign === '[' || sign === '{') depth++
    else if (sign === ']' || sign === '}') depth = Math.max(depth - 1, 0)
    if (depth > MAX_DEPTH) return true
  }
  return new RegExp(`^[ ?-]{${MAX_DEPTH}}`, 'm').test(text)
}
