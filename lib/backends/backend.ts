import type { SelfTestFigures } from '../engines/self-test/run.js'
import type { EngineChoices, EnginePrecision } from '../engines/settings.js'
import type { FrameMemory } from '../image/allocated-frame.js'
import type { DeviceFrame, Frame } from '../image/frame.js'
import type { Size } from '../models/levels.js'
import type { ModelSpec } from '../models/spec.js'
import type { DetectionArrays, PackedDetections, PostprocessParameters } from '../postprocess/detections.js'
import type { WeightsOptions } from '../weights/decide.js'

export const BACKEND_NAMES = ['tensorrt', 'cpu'] as const
export type BackendName = (typeof BACKEND_NAMES)[number]

/** What a library of a backend lacks, as native/addon/status.h names it. */
export type LibraryFault =
  | 'no-driver'
  | 'old-driver'
  | 'no-library'
  | 'not-a-library'
  | 'wrong-version'
  | 'no-parser'

/** Why a backend cannot run here. */
export interface Unavailability {
  /** What was looked for and found. */
  readonly reason: string
  /** The command or step that mends it. */
  readonly remedy: string
  /** What each library of the backend lacks, for programs. */
  readonly faults: readonly LibraryFault[]
}

/** Whether a backend can run here; `details` are what else was found, for people. */
export type Probe = { readonly details: readonly string[] } & (
  | { readonly usable: true; readonly description: string }
  | ({ readonly usable: false } & Unavailability)
)

/** Where GPU libraries are looked for; null for where they are by default. */
export interface ProbeSearch {
  readonly backendLibrary: string | null
  readonly libraryPath: string | null
}

/** Steps of loading a model, in order; on several GPUs, the last two once for each. */
export type LoadStage = 'weights' | 'graph' | 'engine' | 'test'

export interface OpenRequest {
  /** The weights file; for TensorRT also an engine file, in which all else about the model is. */
  readonly path: string
  readonly weights: WeightsOptions
  /** Network input; null for the model's native one. */
  readonly inputSize: Size | null
  /** Threads of computation on the CPU. */
  readonly threads: number
  /** Frames that run together, on a GPU. */
  readonly maxBatchSize: number
  /** Milliseconds for which a batch waits for more frames. */
  readonly maxBatchDelay: number
  readonly maxPending: number
  /** Milliseconds after which a call that a GPU backend does not answer is given up. */
  readonly inferenceDeadline: number
  /** Path of the GPU backend's library; null looks beside the addon. */
  readonly backendLibrary: string | null
  /** The folder of TensorRT's libraries; null where the system looks. */
  readonly libraryPath: string | null
  /** How TensorRT's engine is built. */
  readonly engine: EngineChoices
  /** Numbers of the GPUs that share the calls, one or more. */
  readonly devices: readonly number[]
  /** Batches that each works on at the same time; null for what suits the GPU. */
  readonly contexts: number | null
  /** What looks at activations before an engine is built in fp16. */
  readonly checkActivations: ActivationCheck
  /** What engines that are built are compared with later. */
  readonly detectReference: ReferenceDetector
  readonly signal: AbortSignal | undefined
  /** Called when a stage begins, and as far as it is known with how much of it is done, 0…1. */
  readonly onStage: (stage: LoadStage, fraction: number) => void
}

/**
 * Runs a model in float32 on a few images, to see whether float16 can hold what its layers give.
 *
 * @returns notes: a layer that comes near the end of float16, or why nothing was looked at
 * @throws EfficientDetError ERR_WEIGHTS naming a layer that goes beyond with ordinary images; what is wrong with the
 *   weights; the signal's reason, at once
 */
export type ActivationCheck = (
  model: Pick<OpenRequest, 'path' | 'weights' | 'inputSize' | 'signal'> & {
    /** Whether free memory is compared with what the model will take. */
    readonly checkMemory: boolean
  },
) => Promise<string[]>

/**
 * Finds what a model detects in images by another backend than the one that is to be tested.
 *
 * @throws EfficientDetError where that cannot run; the signal's reason, at once
 */
export type ReferenceDetector = (
  model: Pick<OpenRequest, 'path' | 'weights' | 'inputSize' | 'engine' | 'signal'>,
  images: readonly Frame[],
) => Promise<DetectionArrays[]>

/** A model that is ready to run, or why the backend cannot run here. */
export type Opening = { readonly engine: Engine } | { readonly unavailable: Unavailability }

/** What runs networks. */
export interface Backend {
  readonly name: BackendName
  probe(search: ProbeSearch): Promise<Probe>
  /** Whether it is for files of this kind, wherever it runs. */
  takes(path: string): Promise<boolean>
  /**
   * Reads a model and makes it ready to run.
   *
   * @throws EfficientDetError that tells what is wrong with the model; the signal's reason
   */
  open(request: OpenRequest): Promise<Opening>
}

/** What an engine is told of a call. */
export interface EngineCall {
  readonly signal?: AbortSignal | undefined
  /**
   * How many the caller has in flight, this one included, be they decoded yet or not: what the CPU shares its cores by.
   * Defaults to 1.
   */
  readonly calls?: number
  /** Whether the frame's bytes are this call's, so that nobody writes to them or takes them away. Defaults to false. */
  readonly isOwn?: boolean
}

/** A model that is ready to run. */
export interface Engine {
  readonly spec: ModelSpec
  /** Network input. */
  readonly inputSize: Size
  /** What was assumed about the weights. */
  readonly notes: readonly string[]
  /** What runs it, such as `onnxruntime 1.30.0, 2 threads`; it may change as the engine adapts to its calls. */
  readonly description: string
  /** The GPUs that it runs on, as they are now; none for the CPU. */
  readonly gpus: readonly GpuReport[]
  /**
   * Finds objects in a frame. Bytes of the host are copied before this returns, unless they are the call's own or in
   * memory of `allocate`.
   *
   * Calls may overlap; each is answered on its own.
   *
   * @throws EfficientDetError ERR_INFERENCE, ERR_INVALID_OPTION for a frame on a GPU that this does not run on; the
   *   signal's reason, at once
   */
  detect(
    frame: Frame | DeviceFrame,
    parameters: PostprocessParameters,
    call?: EngineCall,
  ): Promise<EngineResult>
  /** What it has done since it was opened; also once it is closed. One for each GPU. */
  stats(): readonly EngineStats[]
  /**
   * Memory for a frame, from which `detect` reads without a copy where it can. Outlives the engine.
   *
   * @throws EfficientDetError ERR_OUT_OF_MEMORY
   */
  allocate(bytes: number): FrameMemory
  /** Waits for calls in flight, then frees everything but memory for frames. */
  close(): Promise<void>
}

/** What an engine has done since it was opened, and has to do now. */
export interface EngineStats {
  /** Number of its GPU; null for the CPU. */
  readonly device: number | null
  /** Frames that wait for a batch. */
  readonly queued: number
  /** Frames in batches that run. */
  readonly running: number
  /** How many batches of each size have run, ascending; the test of the engine not counted. */
  readonly batches: readonly BatchCount[]
  /** Batches that run as CUDA graphs now, ascending; none on the CPU. */
  readonly graphs: readonly BatchGraphs[]
}

export interface BatchCount {
  readonly batchSize: number
  readonly count: number
}

/** A GPU that runs a model, and the engine on it. */
export interface GpuReport {
  /** Its number, as `efficientdet doctor` lists it. */
  readonly device: number
  /** Such as `NVIDIA GeForce RTX 4090`. */
  readonly name: string
  /** As the driver names it, such as `GPU-8f9fafbf-…`; empty where it has none. */
  readonly uuid: string
  /** Such as `8.9`. */
  readonly computeCapability: string
  /** TensorRT's: `tensorrt10`, `tensorrt11` or `tensorrt-rtx`. */
  readonly family: string
  /** Version of TensorRT, such as `10.15.1`. */
  readonly libraryVersion: string
  /** Precision that the engine was built with; `inspectEngine` shows what each layer has. */
  readonly precision: EnginePrecision
  /** Frames that run together at most. */
  readonly maxBatchSize: number
  /** Batches that the engine was tuned for, ascending; others run as the next larger. */
  readonly profileBatchSizes: readonly number[]
  /** Batches that it works on at the same time: fewer than were asked for, where memory did not suffice. */
  readonly contexts: number
  /** Bytes that the engine holds on the GPU. */
  readonly deviceBytes: number
  /**
   * How the batches that the engine was tuned for run, ascending. Without a graph they start kernel by kernel, which
   * takes longer; that is tried again.
   */
  readonly graphs: readonly BatchGraphs[]
  /** What the test of the engine showed; null if it was switched off. */
  readonly selfTest: SelfTestReport | null
}

/** In how many of a GPU's contexts the batches of a size run as one CUDA graph, which starts in one call. */
export interface BatchGraphs {
  readonly batchSize: number
  readonly contexts: number
}

export interface SelfTestReport extends SelfTestFigures {
  /** Whether it was passed by an earlier load, which had everything as it is now. */
  readonly remembered: boolean
}

export interface EngineResult {
  readonly detections: PackedDetections
  readonly timings: EngineTimings
}

/** Milliseconds. */
export interface EngineTimings {
  /** Waiting for the engine. */
  readonly queue: number
  readonly preprocess: number
  readonly network: number
  readonly postprocess: number
}
