export type { BackendName, GpuReport, LoadStage, SelfTestReport } from './backends/backend.js'
export type { Unavailable } from './backends/registry.js'
export {
  type BackendReport,
  EfficientDet,
  type ModelInfo,
  type StreamOptions,
} from './efficientdet.js'
export {
  type BuiltEngine,
  buildEngine,
  type EngineInspection,
  type InspectEngineOptions,
  inspectEngine,
} from './engine-files.js'
export type { Agreement, Answer } from './engines/agreement.js'
export type { EngineFault } from './engines/engine-error.js'
export type { EngineHeader, EnginePrecision, EngineSettings, EngineTarget } from './engines/header.js'
export type { EngineLayer } from './engines/layers.js'
export type { Reference, SelfTestFigures } from './engines/self-test.js'
export { EfficientDetError, type ErrorCode } from './errors.js'
export { convertWeights, exportOnnx, inspectWeights } from './files.js'
export type { DeviceFrame, Frame, PixelFormat } from './image/frame.js'
export type { Source } from './image/source.js'
export type { AnchorConfig } from './models/anchors.js'
export { COCO_LABELS } from './models/labels.js'
export type { Size } from './models/levels.js'
export type { Normalization, Preprocessing } from './models/preprocessing.js'
export type { Padding } from './models/spec.js'
export type { VariantName } from './models/variants.js'
export type { BuildOptions } from './options/build.js'
export type { DetectOptions } from './options/detect.js'
export type { EngineOptions, Family } from './options/engine.js'
export type { GraphOptions, Precision } from './options/graph.js'
export type { LoadOptions } from './options/load.js'
export type { PackedDetections } from './postprocess/detections.js'
export type { NmsKind } from './postprocess/nms.js'
export { type Box, type Detection, DetectionResult, type Timings } from './result.js'
export type { Exported } from './tasks/export.js'
export { VERSION } from './version.js'
export type { ConvertOptions } from './weights/convert.js'
export type { WeightsOptions } from './weights/decide.js'
export type { Inspection } from './weights/model-file.js'
