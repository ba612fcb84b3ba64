import { dirname } from 'node:path'
import { addonPath, loadAddonFile } from '../../base/addon-file.js'
import type { NativeLayout } from '../../image/native-layout.js'
import type { BatchGraphs, LibraryFault } from '../backend.js'

/**
 * The whole native surface. What is passed is checked in TypeScript; the addon trusts it. Failures are Errors with a
 * `code`, which `nativeError` turns into EfficientDetErrors.
 */
export interface Addon {
  /** Opens a backend library by its absolute path and checks that it speaks the addon's version of the contract. */
  openLibrary(path: string): Library
  nameOf(library: Library): string
  /**
   * Looks for the libraries below in a folder, or where the system looks, and says what was found. Once a folder was
   * taken, it stays.
   *
   * @param devices that will be used, a bit each; no others are made to work
   */
  probe(library: Library, folder: string | null, devices: number): Promise<NativeProbe>
  /**
   * Builds an engine from an ONNX file's bytes, which must stay as they are meanwhile. Takes minutes on its own
   * thread. Errors have what the libraries said as `log`.
   *
   * @param cancel one element in shared memory; storing anything but 0 ends the build
   * @param onProgress a fraction 0…1 that never falls, and the phase's name
   */
  build(
    library: Library,
    onnx: Uint8Array,
    options: NativeBuildOptions,
    cancel: Int32Array,
    onProgress: (fraction: number, phase: string) => void,
  ): Promise<NativeBuild>
  /** What an engine consists of, as the library's own JSON; needs the device. */
  inspect(library: Library, plan: Uint8Array, device: number): Promise<string>
  /**
   * Makes an engine ready to run: every batch size has run once. `plan` must stay as it is meanwhile.
   *
   * @param cancel one element in shared memory; storing anything but 0 ends the load
   */
  loadEngine(
    library: Library,
    plan: Uint8Array,
    model: NativeModel,
    options: NativeOptions,
    cancel: Int32Array,
  ): Promise<NativeLoad>
  /** Takes the bytes of a buffer of `allocate` away; their memory goes back once no engine reads it. */
  detachFrame(buffer: ArrayBuffer): void
}

declare const library: unique symbol

/** An opened backend library. */
export interface Library {
  readonly [library]: true
}

export interface NativeProbe {
  /** Why it cannot run here; null if it can. */
  readonly reason: string | null
  /** The same for programs, where it has a name. */
  readonly fault: LibraryFault | null
  readonly description: string
  /** Such as 10.15.1; empty where no library was found. */
  readonly libraryVersion: string
  /** The CUDA runtime within the backend; empty without. */
  readonly cudaVersion: string
  /** The newest CUDA that the driver can run; empty without a driver. */
  readonly driverVersion: string
  readonly canBuild: boolean
  readonly devices: readonly NativeDevice[]
}

export interface NativeDevice {
  /** Empty, as all else, where the device does not report it. */
  readonly name: string
  readonly computeCapability: string
  readonly memoryBytes: number
  /** 0 if it cannot be used now; null where it is not known. */
  readonly freeBytes: number | null
  /** Whether it shares the host's memory, as Jetsons do. */
  readonly integrated: boolean
  /** As the driver names it, such as `GPU-8f9fafbf-…`; empty where it has none. */
  readonly uuid: string
}

/** As ed_build_options in native/include/efficientdet_backend.h says. */
export interface NativeBuildOptions {
  readonly maxBatchSize: number
  readonly device: number
  /** Compute capabilities, as 10·major + minor; empty for the device's own. */
  readonly targets: Uint32Array
  /** 0 leaves it to the backend. */
  readonly workspaceBytes: number
  /** 0…5; -1 leaves it to the backend. */
  readonly optimisationLevel: number
  readonly tf32: boolean
  readonly versionCompatible: boolean
  readonly hardwareCompatible: boolean
  /** What an earlier build gave. */
  readonly timingCache: Uint8Array | null
}

export interface NativeBuild {
  readonly plan: Uint8Array
  /** Timings for later builds; empty where the backend has none. */
  readonly timingCache: Uint8Array
  /** What the libraries below said. */
  readonly log: string
}

export interface NativeModel {
  readonly inputHeight: number
  readonly inputWidth: number
  readonly classes: number
  /** A×4: centre y, centre x, height, width, in input pixels. */
  readonly anchors: Float32Array
  /** Mean, deviation and fill, R, G, B each. */
  readonly normalisation: Float32Array
  /** 0: antialiased; 1: bilinear. */
  readonly resize: 0 | 1
}

export interface NativeOptions {
  readonly device: number
  /** Batches that run at the same time. */
  readonly contexts: number
  readonly maxBatchSize: number
  /** Delay in microseconds. */
  readonly maxBatchDelay: number
  readonly maxPending: number
  /** Whether the plan may bring code for the host. */
  readonly allowHostCode: boolean
  /** What an earlier load compiled, or null. */
  readonly kernels: Uint8Array | null
}

export interface NativeLoad {
  readonly engine: NativeEngine
  /** What was compiled for later loads; empty where nothing was. */
  readonly kernels: Uint8Array
}

/**
 * What a call found, in 4-byte words of the machine's order:
 *
 * - six facts, float32: milliseconds of waiting, preprocessing, network and postprocessing; 1 if candidates were
 *   capped; 1 if detections were
 * - boxes, D×4 float32: x1, y1, x2, y2
 * - scores, D float32, and class ids, D uint32
 */
export type NativeResult = ArrayBuffer

/** The six facts. */
export const RESULT_FACTS = 6

/** What a call wants, as ed_postprocess says: score thresholds of each class are 0…1, or 2 for those not wanted. */
export type NativePostprocess = readonly [
  scoreThresholds: Float32Array,
  iouThreshold: number,
  maxDetections: number,
  preNmsTopK: number,
  agnostic: boolean,
]

/** An engine with threads of its own, which keeps the process alive only while a job is pending. */
export interface NativeEngine {
  /**
   * Copies the frame, unless it lies in memory of any engine's `allocate`, and queues it. The caller keeps to `maxPending`, and asks for nothing after `close`.
   *
   * @param data the frame's bytes, or its address in memory of the engine's device, which must then stay as it is
   *   until the call is answered
   * @param readiness 0 if the bytes are there, 1 or 2 if they are once the event or stream `awaited` is done
   */
  submit(
    id: number,
    data: Uint8Array | bigint,
    ...rest: [
      ...layout: NativeLayout,
      readiness: 0 | 1 | 2,
      awaited: bigint | null,
      ...parameters: NativePostprocess,
    ]
  ): Promise<NativeResult>
  /**
   * Queues frames of RGB, rows without a gap, as one batch in a context of the caller's choice, before all else, for
   * tests. Jobs count from `id`.
   */
  submitTo(
    context: number,
    id: number,
    frames: readonly Uint8Array[],
    width: number,
    height: number,
    ...parameters: NativePostprocess
  ): Promise<NativeResult>[]
  /**
   * Memory for a frame, zeroed, which the device reads fastest; it outlives the engine. Undefined if there is none, or
   * the engine is closed.
   */
  allocate(bytes: number): ArrayBuffer | undefined
  /** Whether the job was still queued; if so, its promise never settles. */
  cancel(id: number): boolean
  /** Takes no more jobs; settles when those queued have run and the engine is destroyed. */
  close(): Promise<void>
  /**
   * Takes no more jobs, drops those there are, whose promises never settle, and settles `close`. A running batch is
   * not waited for and keeps no process alive.
   */
  abandon(): void
  /**
   * Frames that wait for a batch, frames in batches that run, and how many batches of 1, 2, … frames have run.
   *
   * Batches of `submitTo` are not counted. Once the engine is closed, these are the last counts.
   */
  stats(): { readonly queued: number; readonly running: number; readonly batches: readonly number[] }
  /** What is so now; null once it is closed. */
  info(): {
    readonly maxBatchSize: number
    readonly contexts: number
    readonly description: string
    readonly deviceBytes: number
    readonly graphs: readonly BatchGraphs[]
  } | null
}

/** The folder of the addon, in which the backend libraries lie too. */
export function addonFolder(): string {
  return dirname(addonPath())
}

/** Loads the addon, once per thread. @throws Error when it is missing or does not fit this machine */
export function loadAddon(): Addon {
  return loadAddonFile() as Addon
}
