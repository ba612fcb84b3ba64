import type { BackendName, Engine, GpuReport, LoadStage } from '../backends/backend.js'
import { type Opened, openEngine, type Unavailable } from '../backends/registry.js'
import { EfficientDetError, isOfOneImage } from '../base/errors.js'
import { resolveModel } from '../hub/resolve.js'
import { type AllocatedFrame, useMemory } from '../image/allocated-frame.js'
import { copyOf, type FrameLayout, isDeviceFrame } from '../image/frame.js'
import { isFed, nameOf, type ReadSource, readFrame, readSource, type Source } from '../image/source.js'
import type { AnchorConfig } from '../models/anchors.js'
import type { Size } from '../models/levels.js'
import type { Preprocessing } from '../models/preprocessing.js'
import type { ModelSpec, Padding } from '../models/spec.js'
import type { VariantName } from '../models/variants.js'
import { checkPath } from '../options/checks.js'
import { checkDetectOptions, type DetectOptions, type DetectSettings } from '../options/detect.js'
import { checkLoadOptions, type LoadOptions, type LoadSettings } from '../options/load.js'
import { checkStreamOptions, type ErrorPolicy, type StreamOptions } from '../options/stream.js'
import { untilAborted } from '../threads/abort.js'
import { Frames } from './frames.js'
import { inOrder, leavable } from './in-order.js'
import { Intake, type Ticket } from './intake.js'
import {
  checkItem,
  checkItems,
  type Item,
  type Items,
  type OutcomeOf,
  type Parts,
  partsOf,
  type ResultOf,
} from './item.js'
import { type DetectionResult, detectionsOf } from './result.js'
import { type DetectorStats, Tally } from './stats.js'

interface Call extends DetectSettings {
  readonly whenFull: 'wait' | 'reject'
  /** Called when the call has its turn. */
  readonly onStart?: () => void
}

/** Backend that runs the network, and why no faster one does. */
export interface BackendReport {
  readonly name: BackendName
  /**
   * Such as `onnxruntime 1.30.0, 2 threads, for many calls 2 networks of 1 thread`: one call in flight has all threads,
   * and many share them.
   */
  readonly description: string
  /** The GPUs that it runs on, with the engine of each, as they are when this is read; none for the CPU. */
  readonly gpus: readonly GpuReport[]
  /** Faster backends that were tried first. */
  readonly unavailable: readonly Unavailable[]
}

/** The network that was loaded. */
export interface ModelInfo {
  readonly variant: VariantName
  readonly classes: number
  /** One name per class, or null where nobody gave them. */
  readonly labels: readonly string[] | null
  /** Network input, in pixels. */
  readonly inputSize: Size
  readonly preprocessing: Preprocessing
  readonly padding: Padding
  readonly anchors: AnchorConfig
  /** Assumptions about the weights, and why they were made. */
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
  readonly #intake: Intake
  readonly #frames: Frames
  readonly #tally = new Tally()
  readonly #disposing = new AbortController()
  #disposal: Promise<void> | null = null

  private constructor({ name, engine, unavailable }: Opened, settings: LoadSettings) {
    const { architecture, labels, preprocessing, anchors } = engine.spec
    this.backend = {
      name,
      get description() {
        return engine.description
      },
      get gpus() {
        return engine.gpus
      },
      unavailable,
    }
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
    const { maxPending, maxPendingBytes: bytes, maxPixels } = settings
    this.#intake = new Intake({ calls: maxPending, bytes })
    this.#frames = new Frames(engine, { bytes, maxPixels })
  }

  /**
   * Loads a model, in a thread of its own. Size, class count and all else come from the weights; options say
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
    return new EfficientDet(await openEngine(backend, { ...request, path, onStage }), settings)
  }

  /**
   * Finds objects in an image. Raw frames are copied when the call is made, unless `allocateFrame` gave them; files
   * are read when their turn comes.
   *
   * @throws EfficientDetError ERR_INVALID_OPTION, ERR_IMAGE, ERR_IMAGE_TOO_LARGE, ERR_INFERENCE, ERR_OUT_OF_MEMORY,
   *   ERR_QUEUE_FULL; ERR_DEVICE_LOST, ERR_ENGINE_LOST, ERR_DISPOSED; the signal's reason
   */
  async detect(source: Source, options: DetectOptions = {}): Promise<DetectionResult> {
    const { whenFull } = this.#settings
    // Awaited, so that the caller is in the stack of errors.
    return await this.#detect(source, { ...this.#check(checkDetectOptions, options), whenFull })
  }

  /**
   * Finds objects in many images, `maxPending` at a time. A failed image leaves its error in its place. Raw frames
   * must stay as they are until the call settles.
   *
   * @param items images, or `{ source, context }`, whose `context` comes back with the result
   * @throws EfficientDetError ERR_INVALID_OPTION; ERR_DEVICE_LOST, ERR_ENGINE_LOST, ERR_DISPOSED; the error of
   *   `items`; the signal's reason
   */
  async detectBatch<I extends Source | Item>(
    items: Items<I>,
    options: DetectOptions = {},
  ): Promise<OutcomeOf<I>[]> {
    const settings = this.#check(checkDetectOptions, options)
    const outcomes: OutcomeOf<I>[] = []
    const inItsPlace = inOrder(checkItems(items), {
      maxRunning: this.#settings.maxPending,
      maxAhead: Number.POSITIVE_INFINITY,
      signal: settings.signal,
      closing: this.#disposing.signal,
      call: (item, signal, onStart) =>
        this.#outcomeOf(item, 'yield', { ...settings, signal, whenFull: 'wait', onStart }),
    })
    for await (const outcome of inItsPlace) outcomes.push(outcome)
    return outcomes
  }

  /**
   * Finds objects in one image after another and yields results in their order, working ahead on `maxInFlight` of
   * them. Leaving the loop early cancels what is under way.
   *
   * @param items images, or `{ source, context }`, whose `context` comes back with the result; taken no faster than
   *   they are worked on
   * @throws EfficientDetError as `detect` for the first failed image (with `onError: 'yield'` only ERR_DEVICE_LOST,
   *   ERR_ENGINE_LOST, ERR_DISPOSED); the error of `items` after their results; the signal's reason
   */
  stream<I extends Source | Item, OnError extends ErrorPolicy = 'throw'>(
    items: Items<I>,
    options: StreamOptions<OnError> = {},
  ): AsyncGenerator<OnError extends 'yield' ? OutcomeOf<I> : ResultOf<I>, void, undefined> {
    return leavable((leaving) => this.#stream(items, options, leaving)) as ReturnType<
      typeof this.stream<I, OnError>
    >
  }

  async *#stream<I extends Source | Item>(
    items: Items<I>,
    options: StreamOptions,
    leaving: AbortSignal,
  ): AsyncGenerator<OutcomeOf<I>, void, undefined> {
    const { maxInFlight, onError, ...settings } = this.#check(checkStreamOptions, options)
    yield* inOrder(checkItems(items), {
      maxRunning: maxInFlight,
      maxAhead: maxInFlight,
      signal: settings.signal,
      closing: this.#disposing.signal,
      leaving,
      call: (item, signal, onStart) =>
        this.#outcomeOf(item, onError, { ...settings, signal, whenFull: 'wait', onStart }),
    })
  }

  /**
   * A frame for pixels of a camera or a decoder, which a GPU reads without a copy: in pinned memory, or in plain memory
   * with the CPU backend.
   *
   * Fill its `data`, give it to `detect`, fill it again once that has settled, and dispose it in the end.
   *
   * Other detectors may use it, too, and it outlives this one.
   *
   * @param layout its format, width and height, and what else a frame may tell; its memory has whole rows of `stride`
   * @throws EfficientDetError ERR_INVALID_OPTION; ERR_IMAGE_TOO_LARGE; ERR_OUT_OF_MEMORY also where the frames that
   *   were not disposed come to more than `maxPendingBytes`; ERR_ENGINE_LOST, ERR_DISPOSED
   */
  allocateFrame(layout: FrameLayout): AllocatedFrame {
    this.#throwIfDisposed()
    return this.#frames.allocate(layout)
  }

  /** What it has done since it was loaded, and has to do now; also after its disposal. Takes some microseconds. */
  stats(): DetectorStats {
    return {
      ...this.#tally.counts,
      ...this.#intake.counts,
      allocatedBytes: this.#frames.bytes,
      engines: this.#engine.stats(),
    }
  }

  /**
   * Takes no more calls, waits for those in flight, and frees the network. Images from the caller's streams reject
   * with ERR_DISPOSED instead. May be called again.
   */
  dispose(): Promise<void> {
    if (this.#disposal === null) {
      this.#disposing.abort(disposed())
      this.#disposal = this.#intake.close().then(() => this.#engine.close())
    }
    return this.#disposal
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #check<Options, Settings>(
    check: (options: Options, spec: ModelSpec) => Settings,
    options: Options,
  ): Settings {
    this.#throwIfDisposed()
    return check(options, this.#engine.spec)
  }

  #throwIfDisposed(): void {
    if (this.#disposal !== null) throw disposed()
  }

  async #outcomeOf<I extends Source | Item>(
    item: I,
    onError: ErrorPolicy,
    call: Call,
  ): Promise<OutcomeOf<I>> {
    let parts: Parts | null = null
    try {
      parts = partsOf(item)
      checkItem(item)
      return { ...(await this.#detect(parts.source, call)), ...parts.context } as OutcomeOf<I>
    } catch (error) {
      call.signal?.throwIfAborted()
      if (onError === 'throw' || !isOfOneImage(error)) throw error
      return { source: parts && nameOf(parts.source), error, ...parts?.context } as OutcomeOf<I>
    }
  }

  async #detect(
    source: Source,
    { parameters, damaged, decode, signal, whenFull, onStart }: Call,
  ): Promise<DetectionResult> {
    const start = performance.now()
    let ticket: Ticket | null = null
    let endUse: (() => void) | null = null
    try {
      this.#throwIfDisposed()
      signal?.throwIfAborted()
      let read = readFrame(source, this.#settings)
      const bytes = read === null || isDeviceFrame(read.frame) ? 0 : read.frame.data.byteLength
      if (read !== null) endUse = useMemory(read.frame)
      ticket = this.#intake.tryEnter(bytes)
      if (ticket === null) {
        if (whenFull === 'reject') throw this.#full()
        // The engine copies what it is given, but while a frame waits for its turn, its bytes are still the caller's.
        if (read !== null && !isDeviceFrame(read.frame) && endUse === null) {
          read = { ...read, frame: copyOf(read.frame), isOwn: true }
        }
        ticket = await this.#intake.enter(bytes, signal)
      }
      onStart?.()
      const begun = performance.now()
      read ??= await this.#read(source, ticket, { damaged, decode, signal })
      const { frame, size, isOwn, name, pages, warnings } = read
      const decoding = performance.now() - begun
      const calls = this.#intake.counts.pending
      const { detections, timings } = await this.#engine.detect(frame, parameters, { signal, calls, isOwn })
      const { preprocess, network, postprocess } = timings
      const queue = timings.queue + begun - start
      const total = performance.now() - start
      const times = { decode: decoding, queue, preprocess, network, postprocess, total }
      this.#tally.answered(times)
      return {
        source: name,
        width: size.width,
        height: size.height,
        pages,
        detections: detectionsOf(detections, this.model.labels, { from: frame, to: size }),
        capped: detections.capped,
        warnings,
        timings: times,
        backend: this.backend.name,
      }
    } catch (error) {
      // Whoever gave up is given the reason, not that the image would not have done.
      const failure = signal?.aborted ? signal.reason : error
      this.#tally.failed(failure, signal)
      throw failure
    } finally {
      ticket?.giveBack()
      endUse?.()
    }
  }

  /**
   * Reads a source until the signal aborts or, where the caller feeds it, the detector is disposed. What libvips has
   * begun goes on in the background.
   */
  async #read(
    source: Source,
    ticket: Ticket,
    { damaged, decode, signal }: Pick<Call, 'damaged' | 'decode' | 'signal'>,
  ): Promise<ReadSource> {
    const controller = new AbortController()
    const reading = readSource(source, {
      maxPixels: this.#settings.maxPixels,
      damaged,
      shrinkFor: decode === 'fast' ? this.#engine.inputSize : undefined,
      signal: controller.signal,
      reserve: (bytes) => ticket.reserve(bytes, controller.signal),
    })
    try {
      return await untilAborted(reading, signal, isFed(source) ? this.#disposing.signal : undefined)
    } catch (error) {
      controller.abort(error)
      throw error
    }
  }

  #full(): EfficientDetError {
    const { maxPending, maxPendingBytes } = this.#settings
    return new EfficientDetError(
      'ERR_QUEUE_FULL',
      `${maxPending} calls are pending already, or their images have ${maxPendingBytes} bytes. Wait for one, raise maxPending or maxPendingBytes, or load with whenFull: 'wait'.`,
    )
  }
}

function disposed(): EfficientDetError {
  return new EfficientDetError('ERR_DISPOSED', 'The detector was disposed. Load the model again.')
}
