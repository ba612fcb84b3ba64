import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { EfficientDetError } from '../../base/errors.js'
import { freeMemory } from '../../engines/free-memory.js'
import { checkCpuMemory, estimateCpuMemory } from '../../engines/memory.js'
import type { Frame } from '../../image/frame.js'
import { preprocess } from '../../image/preprocess.js'
import { toRgb } from '../../image/rgb.js'
import { anchorBoxes } from '../../models/anchors.js'
import type { Size } from '../../models/levels.js'
import type { ModelSpec } from '../../models/spec.js'
import { type PostprocessParameters, selectDetections } from '../../postprocess/detections.js'
import { graphOfModelFile, type ModelGraph } from '../../tasks/export.js'
import { type NativeCalls, nativeCall } from '../../threads/native-calls.js'
import type { EngineResult, LoadStage, Unavailability } from '../backend.js'
import { loadOnnxruntime, type OnnxRuntime, onnxruntimeVersion } from './onnxruntime.js'
import type { Ready, ThreadData } from './protocol.js'

/** A network in onnxruntime, with everything before and after it. Runs in a thread of its own, which it blocks. */
export class CpuNetwork {
  readonly ready: Ready
  readonly #runtime: OnnxRuntime
  readonly #session: InferenceSession
  readonly #calls: NativeCalls
  readonly #spec: ModelSpec
  readonly #inputSize: Size
  readonly #anchors: Float32Array
  /**
   * Where onnxruntime writes its answers, for every call anew: D0's 18 MB of scores in fresh memory would cost some
   * 4,000 page faults a call. Calls do not overlap.
   */
  readonly #outputs: InferenceSession.OnnxValueMapType

  private constructor(runtime: OnnxRuntime, session: InferenceSession, calls: NativeCalls, ready: Ready) {
    this.#runtime = runtime
    this.#session = session
    this.#calls = calls
    this.ready = ready
    this.#spec = ready.spec
    this.#inputSize = ready.inputSize
    this.#anchors = anchorBoxes(ready.inputSize, ready.spec.architecture.variant.maxLevel, ready.spec.anchors)
    const count = this.#anchors.length / 4
    this.#outputs = {
      box_regression: this.#output(count, 4),
      class_logits: this.#output(count, ready.spec.architecture.classes),
    }
  }

  static async open(
    { path, weights: options, inputSize: wanted, threads, checkMemory, calls }: ThreadData,
    onStage: (stage: LoadStage) => void,
  ): Promise<CpuNetwork | { readonly unavailable: Unavailability }> {
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
    const session = await nativeCall(calls, () =>
      runtime.InferenceSession.create(onnx, { executionProviders: ['cpu'], intraOpNumThreads: threads }),
    )
    const description = `onnxruntime ${onnxruntimeVersion()}, ${threads} thread${threads === 1 ? '' : 's'}`
    return new CpuNetwork(runtime, session, calls, { spec, inputSize, notes, description })
  }

  async detect(frame: Frame, parameters: PostprocessParameters): Promise<EngineResult> {
    const start = performance.now()
    const image = toRgb(frame)
    const { tensor, letterbox } = preprocess(image, this.#inputSize, this.#spec.preprocessing)
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
      { width: image.width, height: image.height, scale: letterbox.scale },
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

function float32(outputs: InferenceSession.OnnxValueMapType, name: string): Float32Array {
  const { data } = outputs[name]
  if (data instanceof Float32Array) return data
  throw new EfficientDetError('ERR_INFERENCE', `onnxruntime answered ${name} in another type than float32.`)
}
