import { resolve } from 'node:path'
import type { LibraryFault, Probe, ProbeSearch } from '../backend.js'
import type { NativeDevice, NativeProbe } from './addon.js'
import { LIBRARIES, OTHERWISE } from './find.js'
import { findGpuHost, isOldDriver, oldDriverText, remedyOn } from './gpu-host.js'
import { type NativeLibrary, openAddon, openLibrary } from './library.js'

/** What each library finds, and which GPUs there are, also where nothing runs on them. */
export async function probeLibraries({ backendLibrary, libraryPath }: ProbeSearch): Promise<Probe> {
  const addon = openAddon()
  if (typeof addon === 'string') {
    return { usable: false, reason: addon, remedy: OTHERWISE.weights, faults: [], details: [] }
  }
  const host = await findGpuHost()
  const files = backendLibrary === null ? LIBRARIES.map(({ file }) => file) : [resolve(backendLibrary)]
  const details: string[] = []
  const faults: LibraryFault[] = []
  let gpus: readonly string[] = []
  let first: NativeLibrary | null = null
  let old: NativeProbe | null = null
  for (const file of files) {
    // GPUs are only told of: whoever asks what there is does not want memory taken on all of them.
    const found = await openLibrary(addon, file, libraryPath, [])
    if (typeof found === 'string') {
      details.push(found)
      continue
    }
    if (found.probe.devices.length > 0) gpus = found.probe.devices.map(gpu)
    if (isOldDriver(found.probe)) old = found.probe
    if (found.probe.fault !== null) faults.push(found.probe.fault)
    if (first === null && found.probe.reason === null) first = found
    else details.push(aside(found))
  }
  if (first !== null) {
    const { probe, path } = first
    return {
      usable: true,
      description: `${probe.description}; ${path}`,
      details: [...gpus, ...details],
    }
  }
  // Whatever else is missing, with this driver nothing would run.
  if (old !== null && !faults.includes('old-driver')) faults.push('old-driver')
  const plain = host.kind === 'none' ? host.text : `${host.text}, but no TensorRT that runs with it`
  return {
    usable: false,
    reason: old === null ? plain : oldDriverText(host, old),
    remedy: remedyOn(host, faults, 'run'),
    faults,
    details: [...gpus, ...details],
  }
}

/** The text about a library that is not the one to be used. */
function aside({ path, probe: { description, reason, canBuild } }: NativeLibrary): string {
  if (reason === null) return `${description}: runs here too, with ${path}`
  if (description === '') return reason
  return canBuild
    ? `${description}: builds engines here, but runs none. ${reason}`
    : `${description}: ${reason}`
}

/** Such as `GPU 0: NVIDIA GeForce RTX 4090, compute capability 8.9, 25.4 GB, 24.9 GB free`. */
function gpu(
  { name, computeCapability, memoryBytes, freeBytes, integrated }: NativeDevice,
  i: number,
): string {
  if (name === '') return `GPU ${i}: does not answer; see what nvidia-smi says`
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  const facts = [
    `GPU ${i}: ${name}`,
    `compute capability ${computeCapability}`,
    `${gigabytes(memoryBytes)}${integrated ? ' shared with the host' : ''}`,
    ...(freeBytes === null ? [] : [`${gigabytes(freeBytes)} free`]),
  ]
  return facts.join(', ')
}
