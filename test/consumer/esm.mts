import {
  type AnchorConfig,
  type BuildOptions,
  buildEngine,
  COCO_LABELS,
  convertWeights,
  type Detection,
  type DetectionResult,
  EfficientDet,
  EfficientDetError,
  type ErrorCode,
  exportOnnx,
  type Frame,
  inspectEngine,
  inspectWeights,
  type LoadOptions,
  packDetections,
  type Source,
  VERSION,
} from 'efficientdet-trt'

const anchors: Partial<AnchorConfig> = { anchorScale: 3 }
const options: LoadOptions = { backend: 'cpu', inputSize: { height: 320, width: 320 }, anchors }
const build: BuildOptions = { maxBatchSize: 8, engine: { precision: 'fp16' } }

export async function use(sources: readonly Source[]): Promise<string[]> {
  await using detector = await EfficientDet.load('person', options)
  const frame: Frame = { data: new Uint8Array(16), format: 'grey', width: 4, height: 4 }
  const result: DetectionResult = await detector.detect(frame, { classes: ['person'], nms: 'agnostic' })
  const detections: readonly Detection[] = result.detections
  const scores: Float32Array = packDetections(detections).scores
  const items = sources.map((source, i) => ({ source, context: { i } }))
  for await (const outcome of detector.stream(items, { onError: 'yield' })) {
    const i: number = outcome.context.i
    if ('error' in outcome) throw new Error(`${i}`, { cause: outcome.error })
  }
  const codes = (await detector.detectBatch(sources)).flatMap((outcome): ErrorCode[] =>
    'error' in outcome ? [outcome.error.code] : [],
  )
  return [...detections.map(({ label }) => label), String(scores.length), ...codes, VERSION, COCO_LABELS[0]]
}

export async function files(): Promise<void> {
  const { path } = await buildEngine('person', build)
  await inspectEngine(path)
  await inspectWeights('person').catch((error: unknown) => {
    if (error instanceof EfficientDetError) console.error(error.code)
  })
  await convertWeights('person', 'person.safetensors', { precision: 'fp16' })
  await exportOnnx('person', 'person.onnx', { batch: 'dynamic' })
}

// @ts-expect-error: a name that is misspelt
void EfficientDet.load('person', { bakend: 'cpu' })
// @ts-expect-error: a value that there is not
void EfficientDet.load('person', { backend: 'cuda' })
