import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The whole native surface. What is passed is checked in TypeScript; the addon trusts it. Failures are Errors with a
 * `code`, which `nativeError` turns into EfficientDetErrors.
 */
export interface Addon {
  /** Opens a backend library by its absolute path and checks that it speaks the addon's version of the contract. */
  openLibrary(path: string): Library
  nameOf(library: Library): string
  probe(library: Library): Promise<NativeProbe>
  /**
   * Builds an engine from an ONNX file's bytes, which must stay as they are meanwhile.
   *
   * @param cancel one element in shared memory; storing anything but 0 ends the build
   * @param onProgress a fraction 0…1 that never falls, and the phase's name
   */
  build(
    library: Library,
    onnx: Uint8Array,
    options: { readonly maxBatch: number; readonly workspaceBytes: number },
    cancel: Int32Array,
    onProgress: (fraction: number, phase: string) => void,
  ): Promise<Uint8Array>
  /** Makes an engine ready to run. `plan` must stay as it is meanwhile. */
  loadEngine(
    library: Library,
    plan: Uint8Array,
    model: NativeModel,
    options: NativeOptions,
  ): Promise<NativeEngine>
}

declare const library: unique symbol

/** An opened backend library. */
export interface Library {
  readonly [library]: true
}

export interface NativeProbe {
  readonly description: string
  readonly devices: readonly {
    readonly name: string
    readonly computeCapability: string
    readonly memoryBytes: number
    /** Whether it shares the host's memory, as Jetsons do. */
    readonly integrated: boolean
  }[]
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
  readonly maxBatchSize: number
  /** In microseconds. */
  readonly maxBatchDelay: number
  readonly maxPending: number
}

export interface NativeResult {
  readonly boxes: Float32Array
  readonly scores: Float32Array
  readonly classIds: Uint32Array
  readonly candidatesCapped: boolean
  readonly detectionsCapped: boolean
  /** Milliseconds each. */
  readonly queue: number
  readonly preprocess: number
  readonly network: number
  readonly postprocess: number
}

/** An engine with a thread of its own, which keeps the process alive only while a job is pending. */
export interface NativeEngine {
  /**
   * Copies the frame and queues it; undefined if the queue is full.
   *
   * @param planes offset and stride of each plane
   * @param format position in PIXEL_FORMATS
   * @param allowed one flag per class, or undefined for all
   */
  submit(
    id: number,
    data: Uint8Array,
    planes: Uint32Array,
    format: number,
    width: number,
    height: number,
    scoreThreshold: number,
    iouThreshold: number,
    maxDetections: number,
    maxCandidates: number,
    agnostic: boolean,
    allowed: Uint8Array | undefined,
  ): Promise<NativeResult> | undefined
  /** Whether the job was still queued; if so, its promise never settles. */
  cancel(id: number): boolean
  /** Takes no more jobs; settles when those queued have run and the engine is destroyed. */
  close(): Promise<void>
  info(): { readonly maxBatch: number; readonly description: string; readonly deviceBytes: number }
}

/** Where the addon lies: a local build, or the prebuilt one of this platform. @throws Error that lists what was sought */
export function addonPath(): string {
  // node-gyp-build knows where prebuildify and local builds put addons, and which of several fits.
  const { resolve } = here()('node-gyp-build') as { resolve: (root: string) => string }
  return resolve(fileURLToPath(new URL('../..', import.meta.url)))
}

/** The folder of the addon, in which the backend libraries lie too. */
export function addonFolder(): string {
  return dirname(addonPath())
}

/** Loads the addon, once per thread. @throws Error when it is missing or does not fit this machine */
export function loadAddon(): Addon {
  return here()(addonPath()) as Addon
}

/** Made when it is called, for in a bundle of CommonJS form this module has no place and importing it must not fail. */
function here(): NodeJS.Require {
  return createRequire(import.meta.url)
}
