import { dirname, resolve } from 'node:path'
import type { StreamOptions } from '../analyse/stream.js'
import { readZones } from '../analytics/zones-file.js'
import { EfficientDetError } from '../base/errors.js'
import { FileProblem, readSmallFile } from '../base/open-file.js'
import { MAX_YAML, parseYaml, YamlProblem } from '../base/yaml.js'
import { checkNames } from '../options/checks.js'

/** Options of a stream that a file may choose: nothing that runs a program. */
const NAMES = [
  'source',
  'zones',
  'fps',
  'every',
  'start',
  'duration',
  'scale',
  'frameRate',
  'live',
  'timeout',
]

const EXPECTED =
  'Expected YAML: streams, with a name and an address or path for each, or source, fps, scale and zones (a file).'

/** Whether an argument names a list of streams, and not a video. */
export function isCamerasFile(argument: string): boolean {
  return /\.ya?ml$/i.test(argument)
}

/**
 * Reads which streams there are: `streams: { door: rtsp://…, yard: { source: rtsp://…, fps: 5, zones: yard.yml } }`.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_ZONES
 */
export async function readCameras(path: string): Promise<StreamOptions[]> {
  try {
    const bytes = await readSmallFile(path, 4 * MAX_YAML)
    const file = parseYaml(new TextDecoder('utf-8', { fatal: true }).decode(bytes), 'typed')
    const streams = file instanceof Map && file.size === 1 ? file.get('streams') : null
    if (!(streams instanceof Map)) throw new YamlProblem('has no streams, or something else')
    return await Promise.all([...streams].map(([name, stream]) => streamOf(String(name), stream, path)))
  } catch (cause) {
    const isProblem =
      cause instanceof FileProblem || cause instanceof YamlProblem || cause instanceof TypeError
    if (!isProblem) throw cause
    const reason = cause instanceof TypeError ? 'is not UTF-8' : cause.message
    throw new EfficientDetError('ERR_INVALID_OPTION', `${path} ${reason}. ${EXPECTED}`, { cause })
  }
}

async function streamOf(name: string, stream: unknown, path: string): Promise<StreamOptions> {
  if (typeof stream === 'string') return { name, source: stream }
  if (!(stream instanceof Map)) throw new YamlProblem(`has no source for ${name}`)
  const { zones, scale, ...options } = Object.fromEntries(stream)
  checkNames(`the stream ${name}`, Object.fromEntries(stream), NAMES)
  if (typeof options.source !== 'string') throw new YamlProblem(`has no source for ${name}`)
  return {
    ...options,
    name,
    ...(scale instanceof Map && { scale: Object.fromEntries(scale) }),
    ...(zones !== undefined && { zones: await readZones(resolve(dirname(path), String(zones))) }),
  }
}
