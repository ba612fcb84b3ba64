export type { DetectionLimits, EvaluateOptions } from '../options/evaluate.js'
export type { OperatingPoint } from './average-precision.js'
export type { CocoBox, CocoDetection, GroundTruth, GroundTruthObject, ImageId } from './coco.js'
export { type Confusion, type ConfusionOptions, confusion } from './confusion.js'
export {
  type AnchorCoverage,
  type DatasetFault,
  type DatasetFaultKind,
  datasetFaults,
} from './dataset-faults.js'
export {
  type CategoryEvaluation,
  type CocoMetrics,
  cocoStats,
  type Evaluation,
  evaluate,
} from './evaluate.js'
export { readDetections, readGroundTruth } from './files.js'
