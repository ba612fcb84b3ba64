import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LibraryFault } from '../backend.js'

/** What the system tells of an NVIDIA GPU's driver without any library of NVIDIA's. */
export interface GpuHost {
  readonly kind: 'jetson' | 'driver' | 'none'
  /** Such as `NVIDIA driver found (NVRM version: …)`; what was looked for where there is none. */
  readonly text: string
}

/** Where the kernel's driver tells its version, and where Windows lends its own to Linux. */
const DRIVER = 'proc/driver/nvidia/version'
const WSL = 'usr/lib/wsl/lib/libcuda.so.1'
/** Jetson's kernel has no such file, but a name of the board, and a release of its system. */
const BOARD = 'proc/device-tree/model'
const RELEASE = 'etc/nv_tegra_release'

/** @param root of the file system */
export async function findGpuHost(root = '/'): Promise<GpuHost> {
  const [driver, board, release] = await Promise.all(
    [DRIVER, BOARD, RELEASE].map((file) => firstLine(join(root, file))),
  )
  if (release !== null || board?.includes('Jetson')) {
    const facts = [board, release].filter((fact) => fact !== null)
    return { kind: 'jetson', text: `NVIDIA Jetson found (${facts.join('; ')})` }
  }
  if (driver !== null) return { kind: 'driver', text: `NVIDIA driver found (${driver})` }
  const isLent = await access(join(root, WSL)).then(
    () => true,
    () => false,
  )
  if (isLent) return { kind: 'driver', text: `NVIDIA driver of Windows found (/${WSL})` }
  const places = [DRIVER, RELEASE, WSL].map((file) => `/${file}`)
  return { kind: 'none', text: `no NVIDIA driver found (looked for ${places.join(', ')})` }
}

/** What CUDA is said to be: a driver for it, and what needs it. */
interface CudaVersions {
  /** The newest CUDA that the driver can run, such as `12.6`; empty without a driver. */
  readonly driverVersion: string
  /** The runtime within a backend, such as `13.0`; empty without. */
  readonly cudaVersion: string
}

/** Whether a backend's CUDA is of a later major version than the driver's, which runs all of its own and before. */
export function isOldDriver({ driverVersion, cudaVersion }: CudaVersions): boolean {
  return Number.parseInt(driverVersion, 10) < Number.parseInt(cudaVersion, 10)
}

/** What a driver that is too old lacks, after what the host tells of it. */
export function oldDriverText({ kind, text }: GpuHost, { driverVersion, cudaVersion }: CudaVersions): string {
  // One that CUDA finds and we do not.
  const driver = kind === 'none' ? 'NVIDIA driver found' : text
  return `${driver}, which is too old: it runs CUDA ${driverVersion}, and this package is made with CUDA ${cudaVersion}${cudaVersion.startsWith('13') ? ', for which driver 580 or newer is needed' : ''}`
}

/** What to do where no library of TensorRT will do, by what each lacks. */
export function remedyOn(
  { kind }: GpuHost,
  faults: readonly LibraryFault[],
  purpose: 'run' | 'build',
): string {
  const folder = 'name the folder of its libraries (libraryPath, --library-path)'
  if (kind === 'none') {
    const rtx = 'without a GPU, TensorRT-RTX alone builds engines: install it, or '
    return (
      'with an NVIDIA GPU, install its driver (580 or newer) and TensorRT, or give the container access to the GPU' +
      (purpose === 'build' ? `; ${rtx}${folder}` : '')
    )
  }
  if (faults.includes('no-driver')) {
    return 'give the container access to the GPU (docker run --gpus all; on a Jetson --runtime nvidia)'
  }
  if (faults.includes('old-driver')) {
    return (
      'install a newer driver (CUDA 13 needs 580; on a Jetson JetPack 7), or build the backend with the CUDA that is ' +
      'there (npm run build:native in a clone of the repository)'
    )
  }
  return kind === 'jetson'
    ? `install JetPack's TensorRT (sudo apt install nvidia-jetpack), or ${folder}`
    : `install TensorRT-RTX 1 for a GeForce or RTX card, TensorRT 11 or 10 for others (https://docs.nvidia.com/deeplearning/tensorrt/), or ${folder}`
}

/** Without what cannot be read: a device tree's text ends with NUL. */
async function firstLine(path: string): Promise<string | null> {
  try {
    const [line] = (await readFile(path, 'utf8')).split('\n', 1)
    return line.replace(/[\s\0]+/g, ' ').trim()
  } catch {
    return null
  }
}
