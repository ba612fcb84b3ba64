import type { BackendName, Engine, GpuReport, LoadStage } from '../backends/backend.js'
import { type Opened, openEngine, type Unavailable } from '../backends/registry.js'
import { EfficientDetError } from '../base/errors.js'
import { isEngineFile } from '../engines/engine-file.js'
import { resolveModel } from '../hub/resolve.js'
import { copyOf, isDeviceFrame } from '../image/frame.js'
import { readFrame, readSource, type Source } from '../image/source.js'
import type { AnchorConfig } from '../models/anchors.js'
import type { Size } from '../models/levels.js'
import type { Preprocessing } from '../models/preprocessing.js'
import type { Padding } from '../models/spec.js'
import type { VariantName } from '../models/variants.js'
import { checkInteger, checkNames, checkPath, checkSignal, invalidOption } from '../options/checks.js'
import { checkDetectOptions, DETECT_OPTION_NAMES, type DetectOptions } from '../options/detect.js'
import { checkLoadOptions, type LoadOptions, type LoadSettings } from '../options/load.js'
import type { PostprocessParameters } from '../postprocess/detections.js'
import { Semaphore } from '../threads/semaphore.js'
import { DetectionResult } from './result.js'
import { isOfOnePicture, streamInOrder } from './stream.js'

export interface StreamOptions extends DetectOptions {
  /** Pictures that are read or worked on at the same time; 1…1000. Defaults to 4. */
  readonly maxInFlight?: number
  /** Called for a picture that failed, which the stream then skips; without it the stream throws the error. */
  readonly onError?: (error: EfficientDetError, source: Source) => void
}

/** What runs the network, and why nothing else does. */
export interface BackendReport {
  readonly name: BackendName
  /** Such as `onnxruntime 1.30.0, 2 threads`. */
  readonly description: string
  /** The GPUs that it runs on, with the engine of each; none for the CPU. */
  readonly gpus: readonly GpuReport[]
  /** Faster backends that were tried first. */
  readonly unavailable: readonly Unavailable[]
}

/** The network that was loaded. */
export interface ModelInfo {
  readonly variant: VariantName
  readonly classes: number
  /** One name per class, or null where nobody told them. */
  readonly labels: readonly string[] | null
  /** Network input, in pixels. */
  readonly inputSize: Size
  readonly preprocessing: Preprocessing
  readonly padding: Padding
  readonly anchors: AnchorConfig
  /** What was assumed about the weights, and why. */
  readonly notes: readonly string[]
}

/**
 * An EfficientDet that is ready to find objects.
 *
 * ```ts
 * await using detector = await EfficientDet.load('person')
 * const { detections } = await detector.detect('street.jpg')
 * ```
 */
export class EfficientDet implements AsyncDisposable {
  readonly backend: BackendReport
  readonly model: ModelInfo
  readonly #engine: Engine
  readonly #settings: LoadSettings
  readonly #slots: Semaphore
  #disposal: Promise<void> | null = null

  private constructor({ name, engine, unavailable }: Opened, settings: LoadSettings) {
    const { architecture, labels, preprocessing, anchors } = engine.spec
    this.backend = { name, description: engine.description, gpus: engine.gpus, unavailable }
    this.model = {
      variant: architecture.variant.name,
      classes: architecture.classes,
      labels,
      inputSize: engine.inputSize,
      preprocessing,
      padding: architecture.padding,
      anchors,
      notes: engine.notes,
    }
    this.#engine = engine
    this.#settings = settings
    this.#slots = new Semaphore(settings.maxPending)
  }

  /**
   * Loads a model, in a thread of its own. Size, class count and all else come from the weights; options tell
   * what tensors cannot.
   *
   * @param model a bundled name (`person`), an official one after `efficientdet pull` (`d0`), or the path of a
   *   weights file or an engine file (`buildEngine`)
   * @throws EfficientDetError ERR_INVALID_OPTION, ERR_MODEL_NOT_FOUND, ERR_WEIGHTS, ERR_WEIGHTS_AMBIGUOUS,
   *   ERR_UNSAFE_PICKLE, ERR_LABELS, ERR_BACKEND_UNAVAILABLE, ERR_ENGINE, ERR_OUT_OF_MEMORY; the signal's reason
   */
  static async load(model: string, options: LoadOptions = {}): Promise<EfficientDet> {
    checkPath('model', model)
    const settings = checkLoadOptions(options)
    settings.signal?.throwIfAborted()
    const { backend, onProgress, ...request } = settings
    const path = await resolveModel(model)
    const onStage = (stage: LoadStage, fraction: number) => onProgress({ stage, fraction })
    // Nothing else runs engine files.
    const choice = backend === 'auto' && (await isEngineFile(path)) ? 'tensorrt' : backend
    return new EfficientDet(await openEngine(choice, { ...request, path, onStage }), settings)
  }

  /**
   * Finds objects in a picture. Raw frames are copied when the call is made; files are read when their turn comes.
   *
   * @throws EfficientDetError ERR_INVALID_OPTION, ERR_IMAGE, ERR_IMAGE_TOO_LARGE, ERR_INFERENCE, ERR_QUEUE_FULL,
   *   ERR_DISPOSED; the signal's reason
   */
  async detect(source: Source, options: DetectOptions = {}): Promise<DetectionResult> {
    const parameters = this.#parameters(options)
    // Awaited, so that the caller is in the stack of errors.
    return await this.#detect(source, parameters, checkSignal(options.signal), this.#settings.whenFull)
  }

  /**
   * Finds objects in many pictures, `maxPending` at a time. A picture that fails does not stop the others: its
   * place holds the error. Raw frames must stay as they are until the call settles.
   *
   * @throws EfficientDetError ERR_INVALID_OPTION, ERR_DISPOSED; the signal's reason
   */
  async detectBatch(
    sources: readonly Source[],
    options: DetectOptions = {},
  ): Promise<(DetectionResult | EfficientDetError)[]> {
    const parameters = this.#parameters(options)
    const signal = checkSignal(options.signal)
    const results = new Array<DetectionResult | EfficientDetError>(sources.length)
    const entries = sources.entries()
    const lane = async (): Promise<void> => {
      for (const [i, source] of entries) {
        try {
          results[i] = await this.#detect(source, parameters, signal, 'wait')
        } catch (error) {
          signal?.throwIfAborted()
          if (!isOfOnePicture(error)) throw error
          results[i] = error
        }
      }
    }
    const lanes = Math.min(this.#settings.maxPending, sources.length)
    await Promise.all(Array.from({ length: lanes }, lane))
    return results
  }

  /**
   * Finds objects in one picture after another and yields results in their order, working ahead on
   * `maxInFlight` of them. Leaving the loop early cancels what is under way.
   *
   * @param sources pictures, which are taken no faster than they are worked on
   * @throws EfficientDetError as `detect` does, for the first picture that fails if there is no `onError`; with one,
   *   ERR_DISPOSED still
   */
  async *stream(
    sources: Iterable<Source> | AsyncIterable<Source>,
    options: StreamOptions = {},
  ): AsyncGenerator<DetectionResult, void, undefined> {
    checkNames('the stream options', options, [...DETECT_OPTION_NAMES, 'maxInFlight', 'onError'])
    const { maxInFlight, onError, ...detectOptions } = options
    if (onError !== undefined && typeof onError !== 'function')
      throw invalidOption('onError', onError, 'a function')
    const parameters = this.#parameters(detectOptions)
    yield* streamInOrder(sources, {
      maxInFlight: checkInteger('maxInFlight', maxInFlight ?? 4, 1, 1000),
      onError,
      signal: checkSignal(options.signal),
      detect: (source, signal) => this.#detect(source, parameters, signal, 'wait'),
    })
  }

  /** Takes no more calls, waits for those in flight, and frees the network. May be called again. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#slots.close().then(() => this.#engine.close())
    return this.#disposal
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #parameters(options: DetectOptions): PostprocessParameters {
    this.#throwIfDisposed()
    return checkDetectOptions(options, this.#engine.spec)
  }

  #throwIfDisposed(): void {
    if (this.#disposal === null) return
    throw new EfficientDetError('ERR_DISPOSED', 'The detector was disposed. Load the model again.')
  }

  async #detect(
    source: Source,
    parameters: PostprocessParameters,
    signal: AbortSignal | undefined,
    whenFull: 'wait' | 'reject',
  ): Promise<DetectionResult> {
    const start = performance.now()
    this.#throwIfDisposed()
    signal?.throwIfAborted()
    const { maxPixels } = this.#settings
    let read = readFrame(source, { maxPixels })
    if (!this.#slots.tryAcquire()) {
      if (whenFull === 'reject') throw this.#full()
      // The engine copies what it is given, but while a frame waits for its turn, its bytes are still the caller's.
      if (read !== null && !isDeviceFrame(read.frame)) read = { ...read, frame: copyOf(read.frame) }
      await this.#slots.acquire(signal)
    }
    try {
      const begun = performance.now()
      const { frame, name, pages } = read ?? (await readSource(source, { maxPixels }))
      const decode = performance.now() - begun
      const { detections, timings } = await this.#engine.detect(frame, parameters, signal)
      const total = performance.now() - start
      const { preprocess, network, postprocess } = timings
      const queue = timings.queue + begun - start
      return new DetectionResult(
        {
          source: name,
          width: frame.width,
          height: frame.height,
          pages,
          packed: detections,
          timings: { decode, queue, preprocess, network, postprocess, total },
          backend: this.backend.name,
        },
        this.model.labels,
      )
    } catch (error) {
      // Whoever gave up is told why, not that the picture would not have done.
      signal?.throwIfAborted()
      throw error
    } finally {
      this.#slots.release()
    }
  }

  #full(): EfficientDetError {
    return new EfficientDetError(
      'ERR_QUEUE_FULL',
      `${this.#settings.maxPending} calls are pending already. Wait for one, raise maxPending, or load with whenFull: 'wait'.`,
    )
  }
}
