import { EfficientDetError } from '../base/errors.js'
import { FileProblem, readSmallFile } from '../base/open-file.js'
import { MAX_YAML, parseYaml, YamlProblem } from '../base/yaml.js'
import { ANALYTICS_OPTIONS, type AnalyticsOptions } from '../options/analytics.js'
import { checkPath } from '../options/checks.js'
import { checkOptions } from '../options/option.js'

const KINDS =
  'Expected YAML or JSON with lines (name, from: [x, y], to: [x, y]), zones (name, points: [[x, y], …]), and what else ' +
  'docs/tracking.md tells.'

/**
 * Reads what is counted from a file, 64 kB of YAML or JSON at most. Its keys are the options of `Analytics`.
 *
 * @throws EfficientDetError ERR_ZONES, ERR_INVALID_OPTION
 */
export async function readZones(path: string): Promise<AnalyticsOptions> {
  checkPath('path', path)
  try {
    const bytes = await readSmallFile(path, 4 * MAX_YAML)
    const options = plain(parseYaml(new TextDecoder('utf-8', { fatal: true }).decode(bytes), 'typed')) ?? {}
    checkOptions('the file', options, ANALYTICS_OPTIONS)
    return options
  } catch (cause) {
    const reason = reasonOf(cause)
    if (reason === null) throw cause
    throw new EfficientDetError('ERR_ZONES', `${path} ${reason} ${KINDS}`, { cause })
  }
}

/** What is wrong with the file, as a predicate with its stop; null where the fault is elsewhere. */
function reasonOf(cause: unknown): string | null {
  if (cause instanceof FileProblem || cause instanceof YamlProblem) return `${cause.message}.`
  if (cause instanceof EfficientDetError) return `is no zones file: ${cause.message}`
  return cause instanceof TypeError ? 'is not UTF-8.' : null
}

/** Objects in the place of maps, whose keys are texts. */
function plain(value: unknown): object | null {
  const converted = (it: unknown): unknown => {
    if (Array.isArray(it)) return it.map(converted)
    if (!(it instanceof Map)) return it
    return Object.fromEntries([...it].map(([key, inner]) => [String(key), converted(inner)]))
  }
  return converted(value) as object | null
}
