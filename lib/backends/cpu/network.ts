import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { EfficientDetError } from '../../base/errors.js'
import { freeMemory } from '../../engines/free-memory.js'
import { checkCpuMemory, estimateCpuMemory } from '../../engines/memory.js'
import type { Frame } from '../../image/frame.js'
import { anchorBoxes } from '../../models/anchors.js'
import type { Size } from '../../models/levels.js'
import type { ModelSpec } from '../../models/spec.js'
import { type PostprocessParameters, selectDetections } from '../../postprocess/detections.js'
import { graphOfModelFile, type ModelGraph } from '../../tasks/export.js'
import { type NativeCalls, nativeCall } from '../../threads/native-calls.js'
import type { EngineResult, LoadStage, Unavailability } from '../backend.js'
import { addon } from './addon.js'
import { shareCores } from './cores.js'
import type { LentFrame } from './lent-frame.js'
import { loadOnnxruntime, type OnnxRuntime, onnxruntimeVersion } from './onnxruntime.js'
import { Preprocessor } from './preprocessor.js'
import type { FurtherNetwork, ModelRequest, Ready } from './protocol.js'

/** A network in onnxruntime, with everything before and after it. Runs in a thread of its own, which it blocks. */
export class CpuNetwork {
  readonly #runtime: OnnxRuntime
  readonly #session: InferenceSession
  readonly #calls: NativeCalls
  readonly #spec: ModelSpec
  readonly #preprocessor: Preprocessor
  readonly #inputSize: Size
  readonly #anchors: Float32Array
  /**
   * Where onnxruntime writes its answers, for every call anew: D0's 18 MB of scores in fresh memory would cost some
   * 4,000 page faults a call. Calls do not overlap.
   */
  readonly #outputs: InferenceSession.OnnxValueMapType

  private constructor(
    runtime: OnnxRuntime,
    session: InferenceSession,
    calls: NativeCalls,
    { spec, inputSize }: Pick<Ready, 'spec' | 'inputSize'>,
  ) {
    this.#runtime = runtime
    this.#session = session
    this.#calls = calls
    this.#spec = spec
    this.#preprocessor = new Preprocessor(inputSize, spec.preprocessing)
    this.#inputSize = inputSize
    this.#anchors = anchorBoxes(inputSize, spec.architecture.variant.maxLevel, spec.anchors)
    const count = this.#anchors.length / 4
    this.#outputs = {
      box_regression: this.#output(count, 4),
      class_logits: this.#output(count, spec.architecture.classes),
    }
  }

  /** Reads a model. */
  static async read(
    { path, weights: options, inputSize: wanted, threads, checkMemory }: ModelRequest,
    calls: NativeCalls,
    onStage: (stage: LoadStage) => void,
  ): Promise<Opened> {
    const loaded = await nativeCall(calls, loadOnnxruntime)
    if ('unavailable' in loaded) return loaded
    const { runtime } = loaded
    onStage('weights')
    const settings = { inputSize: wanted, batch: 1, precision: 'fp32', input: 'fp32' } as const
    const onRead = async ({ spec, inputSize }: Pick<ModelGraph, 'spec' | 'inputSize'>) => {
      if (checkMemory) checkCpuMemory(estimateCpuMemory(spec.architecture, inputSize), await freeMemory())
      onStage('graph')
    }
    const { spec, inputSize, notes, onnx } = await graphOfModelFile(path, options, settings, onRead)
    onStage('engine')
    const session = await create(runtime, calls, onnx, threads)
    const { memory } = await freeMemory()
    const sharing = shareCores(threads, spec.architecture, inputSize, memory)
    const ready: Ready = {
      spec,
      inputSize,
      notes,
      runtime: `onnxruntime ${onnxruntimeVersion()}`,
      sharing,
      onnx: sharing && onnx,
    }
    return { network: new CpuNetwork(runtime, session, calls, ready), ready }
  }

  /** Opens a network that another thread has read. */
  static async openFurther(
    { spec, inputSize, threads, network, optimised }: FurtherNetwork,
    calls: NativeCalls,
  ): Promise<Opened> {
    const loaded = await nativeCall(calls, loadOnnxruntime)
    if ('unavailable' in loaded) return loaded
    const { runtime } = loaded
    if (optimised !== null) {
      const writing = await create(runtime, calls, network, threads, {
        optimizedModelFilePath: optimised,
        // It would warn that the file is for this machine alone.
        logSeverityLevel: 3,
      })
      await nativeCall(calls, () => writing.release())
    }
    const session = await create(runtime, calls, optimised ?? network, threads)
    return { network: new CpuNetwork(runtime, session, calls, { spec, inputSize }), ready: null }
  }

  async detect(frame: Frame | LentFrame, parameters: PostprocessParameters): Promise<EngineResult> {
    const start = performance.now()
    const { tensor, letterbox } = this.#preprocessor.run(frame)
    const preprocessed = performance.now()
    const images = new this.#runtime.Tensor('float32', tensor, [
      1,
      3,
      this.#inputSize.height,
      this.#inputSize.width,
    ])
    const outputs = await nativeCall(this.#calls, () => this.#session.run({ images }, this.#outputs))
    const answered = performance.now()
    const detections = selectDetections(
      {
        boxRegression: float32(outputs, 'box_regression'),
        classLogits: float32(outputs, 'class_logits'),
        anchors: this.#anchors,
        classes: this.#spec.architecture.classes,
      },
      parameters,
      { width: frame.width, height: frame.height, scale: letterbox.scale },
      addon()?.findLoud,
    )
    const end = performance.now()
    const timings = {
      queue: 0,
      preprocess: preprocessed - start,
      network: answered - preprocessed,
      postprocess: end - answered,
    }
    return { detections, timings }
  }

  #output(rows: number, columns: number): Tensor {
    return new this.#runtime.Tensor('float32', new Float32Array(rows * columns), [1, rows, columns])
  }

  async close(): Promise<void> {
    await nativeCall(this.#calls, () => this.#session.release())
  }
}

/** A network that is ready, with what its model is where that was asked, or why nothing can run here. */
export type Opened =
  | { readonly network: CpuNetwork; readonly ready: Ready | null }
  | { readonly unavailable: Unavailability }

/** @param network an ONNX file in memory, or the path of what onnxruntime made of one */
function create(
  runtime: OnnxRuntime,
  calls: NativeCalls,
  network: Uint8Array | string,
  threads: number,
  more: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  const session = {
    // Between calls the cores belong to others.
    force_spinning_stop: '1',
    save_model_format: 'ORT',
    // Weights are not copied from a file, but mapped: all networks share these pages.
    use_memory_mapped_ort_model: '1',
    use_ort_model_bytes_directly: '1',
    use_ort_model_bytes_for_initializers: '1',
  }
  const options = { executionProviders: ['cpu'], intraOpNumThreads: threads, extra: { session }, ...more }
  // Their types tell files from bytes.
  return nativeCall(calls, () =>
    typeof network === 'string'
      ? runtime.InferenceSession.create(network, options)
      : runtime.InferenceSession.create(network, options),
  )
}

function float32(outputs: InferenceSession.OnnxValueMapType, name: string): Float32Array {
  const { data } = outputs[name]
  if (data instanceof Float32Array) return data
  throw new EfficientDetError('ERR_INFERENCE', `onnxruntime answered ${name} in another type than float32.`)
}
