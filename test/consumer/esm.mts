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
import { Analytics, type ObjectEvent, readZones } from 'efficientdet-trt/analytics'
import { type Evaluation, evaluate, readDetections, readGroundTruth } from 'efficientdet-trt/evaluate'
import { type TrackedFrame, Tracker } from 'efficientdet-trt/tracking'

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

export async function count(results: Iterable<DetectionResult>): Promise<ObjectEvent[]> {
  const tracker = new Tracker({ algorithm: 'ocsort', frameRate: 5 })
  const analytics = new Analytics(await readZones('zones.yml'), { width: 640, height: 360 })
  const events: ObjectEvent[] = []
  let time = 0
  for (const { detections } of results) {
    const tracked: TrackedFrame<Detection> = tracker.update(detections, time++)
    events.push(...analytics.update(tracked))
  }
  return [...events, ...analytics.update(tracker.end())]
}

export async function judge(): Promise<number | null> {
  const evaluation: Evaluation = evaluate(await readGroundTruth('gt.json'), await readDetections('dt.json'))
  return evaluation.ap
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
