export type { DetectionLimits, EvaluateOptions } from '../options/evaluate.js'
export type { OperatingPoint, ScoreCurves } from './average-precision.js'
export type { CocoBox, CocoDetection, GroundTruth, GroundTruthObject, ImageId } from './coco.js'
export { type Confusion, confusion, judgePictures, type PictureJudgement } from './confusion.js'
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
export type { PairingOptions } from './pairing.js'
