import { EfficientDetError } from '../base/errors.js'
import type {
  Backend,
  BackendName,
  Engine,
  OpenRequest,
  Probe,
  ProbeSearch,
  Unavailability,
} from './backend.js'
import { checkActivations } from './cpu/activation-range.js'
import { cpu } from './cpu/cpu.js'
import { detectReference } from './cpu/reference-detections.js'
import { tensorrt } from './tensorrt/tensorrt.js'

/** Fastest first: `auto` takes the first that can run. */
const BACKENDS: readonly Backend[] = [tensorrt, cpu]

/** A backend that was tried and cannot run, with the reason and what would mend it. */
export interface Unavailable extends Unavailability {
  readonly name: BackendName
}

export interface Opened {
  readonly name: BackendName
  readonly engine: Engine
  readonly unavailable: readonly Unavailable[]
}

/** @throws EfficientDetError ERR_BACKEND_UNAVAILABLE that tells of every backend tried; the model's faults */
export async function openEngine(
  choice: BackendName | 'auto',
  request: Omit<OpenRequest, 'checkActivations' | 'detectReference'>,
): Promise<Opened> {
  const unavailable: Unavailable[] = []
  for (const backend of BACKENDS) {
    const { name } = backend
    const isChosen = choice === 'auto' ? await backend.takes(request.path) : choice === name
    if (!isChosen) continue
    const opening = await backend.open({ ...request, checkActivations, detectReference })
    if ('engine' in opening) return { name, engine: opening.engine, unavailable }
    unavailable.push({ name, ...opening.unavailable })
  }
  const reasons = unavailable.map(({ name, reason, remedy }) => `${name}: ${reason}; remedy: ${remedy}.`)
  throw new EfficientDetError(
    'ERR_BACKEND_UNAVAILABLE',
    choice === 'auto'
      ? `No backend can run this model here. ${reasons.join(' ')}`
      : `The backend that was asked for cannot run here. ${reasons.join(' ')}`,
    { details: { unavailable } },
  )
}

/** Whether a backend can run here. */
export type NamedProbe = Probe & { readonly name: BackendName }

export function probeAll(search: ProbeSearch): Promise<NamedProbe[]> {
  return Promise.all(BACKENDS.map(async ({ name, probe }) => ({ name, ...(await probe(search)) })))
}
