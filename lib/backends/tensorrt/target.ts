import { EfficientDetError } from '../../base/errors.js'
import type { Machine } from '../../engines/compatibility.js'
import type { EngineTarget } from '../../engines/header.js'
import type { NativeDevice, NativeProbe } from './addon.js'
import type { NativeLibrary } from './library.js'

/** What engines are built for and run on here. */
const PLATFORM = `${process.platform}-${process.arch}`

/**
 * What an engine is built for.
 *
 * @param number of the GPU
 * @param targets compute capabilities, as 10·major + minor; empty for the GPU's own
 * @throws EfficientDetError ERR_INVALID_OPTION for a GPU that is not there
 */
export function targetOf(
  { addon, library, probe }: NativeLibrary,
  number: number,
  targets: readonly number[],
): EngineTarget {
  const { libraryVersion, cudaVersion } = probe
  const common = { family: addon.nameOf(library), libraryVersion, cudaVersion, platform: PLATFORM }
  if (targets.length > 0) return { ...common, gpu: null, computeCapabilities: targets }
  if (probe.devices.length === 0) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      'There is no GPU here to build an engine for. Name compute capabilities (targets: ["sm89"], --targets sm89).',
    )
  }
  const device = deviceOf(probe, number)
  return { ...common, gpu: device.name, computeCapabilities: [capabilityOf(device)] }
}

/** What an engine would run on here. @throws EfficientDetError ERR_INVALID_OPTION for a GPU that is not there */
export function machineOf({ addon, library, probe }: NativeLibrary, number: number): Machine {
  const device = deviceOf(probe, number)
  return {
    family: addon.nameOf(library),
    libraryVersion: probe.libraryVersion,
    platform: PLATFORM,
    device: { name: device.name, computeCapability: capabilityOf(device) },
  }
}

/** The GPU of a number. @throws EfficientDetError ERR_INVALID_OPTION for one that is not there */
export function deviceOf({ devices }: NativeProbe, number: number): NativeDevice {
  const device = devices[number]
  if (device !== undefined) return device
  const names = devices.map(({ name }) => name || 'one that does not answer').join(', ')
  throw new EfficientDetError(
    'ERR_INVALID_OPTION',
    `device is ${number}; there are ${devices.length} here, counted from 0: ${names}.`,
  )
}

/** As 10·major + minor. */
function capabilityOf({ computeCapability }: NativeDevice): number {
  const [major, minor] = computeCapability.split('.').map(Number)
  return 10 * major + minor
}
