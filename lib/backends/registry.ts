import { EfficientDetError } from '../base/errors.js'
import type { Backend, BackendName, Engine, OpenRequest, Probe, ProbeSearch } from './backend.js'
import { cpu } from './cpu/cpu.js'
import { tensorrt } from './tensorrt/tensorrt.js'
import { probeOf } from './unavailable.js'

/** Fastest first: `auto` takes the first that can run. */
const BACKENDS: readonly Backend[] = [tensorrt, cpu]

/** A backend that was tried and cannot run, with the reason and what would mend it. */
export type Unavailable = { readonly name: BackendName } & Pick<
  Extract<Probe, { usable: false }>,
  'reason' | 'remedy' | 'faults'
>

export interface Opened {
  readonly name: BackendName
  readonly engine: Engine
  readonly unavailable: readonly Unavailable[]
}

/** @throws EfficientDetError ERR_BACKEND_UNAVAILABLE that tells of every backend tried; the model's faults */
export async function openEngine(choice: BackendName | 'auto', request: OpenRequest): Promise<Opened> {
  const unavailable: Unavailable[] = []
  for (const backend of BACKENDS.filter(({ name }) => choice === 'auto' || choice === name)) {
    const { name } = backend
    try {
      return { name, engine: await backend.open(request), unavailable }
    } catch (error) {
      const { reason, remedy, faults } = probeOf(error)
      unavailable.push({ name, reason, remedy, faults })
    }
  }
  const reasons = unavailable.map(({ name, reason, remedy }) => `${name}: ${reason}; remedy: ${remedy}.`)
  throw new EfficientDetError(
    'ERR_BACKEND_UNAVAILABLE',
    choice === 'auto'
      ? `No backend can run here. ${reasons.join(' ')}`
      : `The backend that was asked for cannot run here. ${reasons.join(' ')}`,
    { details: { unavailable } },
  )
}

/** Whether each backend can run here. */
export function probeBackends(search: ProbeSearch): Promise<(Probe & { name: BackendName })[]> {
  return Promise.all(BACKENDS.map(async ({ name, probe }) => ({ name, ...(await probe(search)) })))
}
