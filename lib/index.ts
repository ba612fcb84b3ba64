export { probeBackends } from './api/backends.js'
export {
  type BackendReport,
  EfficientDet,
  type ModelInfo,
} from './api/detector.js'
export {
  type BuiltEngine,
  buildEngine,
  type EngineInspection,
  inspectEngine,
} from './api/engines.js'
export type { ContextOf, DetectionFailure, Item, Items, OutcomeOf, ResultOf } from './api/item.js'
export { convertWeights, exportOnnx, inspectWeights } from './api/models.js'
export { type Box, type Detection, type DetectionResult, packDetections, type Timings } from './api/result.js'
export type { DetectorStats, StageStats } from './api/stats.js'
export type {
  BackendName,
  BatchCount,
  BatchGraphs,
  EngineStats,
  GpuReport,
  LibraryFault,
  LoadStage,
  Probe,
  SelfTestReport,
} from './backends/backend.js'
export type { NamedProbe, Unavailable } from './backends/registry.js'
export { EfficientDetError, type ErrorCode } from './base/errors.js'
export { VERSION } from './base/version.js'
export type { EngineFault } from './engines/engine-error.js'
export type { EngineHeader, EngineTarget } from './engines/header.js'
export type { EngineLayer } from './engines/layers.js'
export type { Comparison } from './engines/self-test/comparison.js'
export type { Reference, SelfTestFigures } from './engines/self-test/run.js'
export type { EnginePrecision, EngineSettings, Family } from './engines/settings.js'
export type { AllocatedFrame } from './image/allocated-frame.js'
export type { DeviceFrame, Frame, FrameLayout, PixelFormat } from './image/frame.js'
export type { Source } from './image/source.js'
export type { YuvMatrix, YuvRange } from './image/yuv.js'
export type { AnchorConfig } from './models/anchors.js'
export { COCO_LABELS } from './models/labels.js'
export type { Size } from './models/levels.js'
export type { Normalization, Preprocessing } from './models/preprocessing.js'
export type { Padding } from './models/spec.js'
export type { VariantName } from './models/variants.js'
export type { BuildOptions } from './options/build.js'
export type { DetectOptions } from './options/detect.js'
export type { EngineOptions } from './options/engine.js'
export type { ExportOptions, Precision } from './options/export.js'
export type { InspectEngineOptions } from './options/inspect-engine.js'
export type { LoadOptions } from './options/load.js'
export type { ProbeOptions } from './options/probe.js'
export type { ErrorPolicy, StreamOptions } from './options/stream.js'
export type { DetectionArrays } from './postprocess/detections.js'
export type { NmsKind } from './postprocess/nms.js'
export type { Exported } from './tasks/export.js'
export type { ConvertOptions } from './weights/convert.js'
export type { WeightsOptions } from './weights/decide.js'
export { readLabels } from './weights/label-file.js'
export type { Inspection } from './weights/model-file.js'
