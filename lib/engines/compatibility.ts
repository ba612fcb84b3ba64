import { engineError } from './engine-error.js'
import type { EngineHeader } from './header.js'
import { capabilityName } from './key.js'
import type { EngineChoices, EngineSettings } from './settings.js'

/** What an engine would run on. */
export interface Machine {
  /** TensorRT's, such as `tensorrt10`. */
  readonly family: string
  /** Version of TensorRT. */
  readonly libraryVersion: string
  /** System and processor. */
  readonly platform: string
  readonly device: {
    readonly name: string
    /** As 10·major + minor. */
    readonly computeCapability: number
  }
}

/** The first compute capability that hardware-compatible engines run on: Ampere's. */
const AMPERE = 80

/**
 * Refuses an engine that was built for something else, before TensorRT sees it, with both values.
 *
 * Version-compatible builds may move to later TensorRT of the same major version, hardware-compatible ones to later
 * GPUs.
 *
 * @throws EfficientDetError ERR_ENGINE, with the fault `stale`
 */
export function checkCompatibility(path: string, { target, settings }: EngineHeader, machine: Machine): void {
  const refuse = (problem: string) => engineError(path, 'stale', `${problem} Build it again here.`)
  if (target.family !== machine.family) {
    throw refuse(`was built for ${target.family}, but what runs here is ${machine.family}.`)
  }
  if (target.platform !== machine.platform) {
    throw refuse(`was built for ${target.platform}, but this is ${machine.platform}.`)
  }
  if (!isVersionCompatible(target.libraryVersion, machine.libraryVersion, settings.versionCompatible)) {
    throw refuse(
      `was built by TensorRT ${target.libraryVersion}${settings.versionCompatible ? ' for it and later ones of its major version' : ''}, but TensorRT ${machine.libraryVersion} is here.`,
    )
  }
  const { name, computeCapability } = machine.device
  const known = target.computeCapabilities
  const isDeviceCompatible =
    known.includes(computeCapability) ||
    (settings.hardwareCompatible && Math.min(...known, computeCapability) >= AMPERE)
  if (!isDeviceCompatible) {
    throw refuse(
      `was built for ${target.gpu === null ? 'compute capability' : `${target.gpu}, compute capability`} ${known.map(capabilityName).join(' and ')}, but ${name} has ${capabilityName(computeCapability)}.`,
    )
  }
}

/**
 * Refuses an engine with code for the host, as version-compatible ones bring, unless that was allowed.
 *
 * @throws EfficientDetError ERR_ENGINE, with the fault `unasked`
 */
export function checkHostCode(
  path: string,
  { settings }: { readonly settings: Pick<EngineSettings, 'versionCompatible'> },
  { allowHostCode }: Pick<EngineChoices, 'allowHostCode'>,
): void {
  if (!settings.versionCompatible || allowHostCode) return
  throw engineError(
    path,
    'unasked',
    'is version-compatible: it brings a TensorRT runtime of its own, code that runs in this process with all of its rights. If you trust where it came from, load it with engine: { allowHostCode: true } (--allow-host-code); else build one without versionCompatible.',
  )
}

function isVersionCompatible(built: string, here: string, compatible: boolean): boolean {
  if (!compatible) return built === here
  const [builtParts, hereParts] = [built, here].map((version) => version.split('.').map(Number))
  if (builtParts[0] !== hereParts[0]) return false
  const at = builtParts.findIndex((part, i) => part !== (hereParts[i] ?? 0))
  return at < 0 || builtParts[at] < (hereParts[at] ?? 0)
}
