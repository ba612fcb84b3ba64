import { EfficientDetError } from '../base/errors.js'
import { jsonExtent } from '../base/json.js'
import { MAX_EVALUATION_FILE, MAX_EVALUATION_VALUES } from '../base/limits.js'
import { FileProblem, readSmallFile } from '../base/open-file.js'
import { checkPath } from '../options/checks.js'
import { type CocoDetection, checkGroundTruth, type GroundTruth } from './coco.js'

/** Levels of lists and objects; polygons have five. */
const MAX_DEPTH = 100

/**
 * Reads COCO's annotations.
 *
 * @throws EfficientDetError ERR_ANNOTATIONS
 */
export async function readGroundTruth(path: string): Promise<GroundTruth> {
  const truth = (await readJson(path, 'ERR_ANNOTATIONS')) as GroundTruth
  checkGroundTruth(truth)
  return truth
}

/**
 * Reads COCO's results; `evaluate` checks what is in them.
 *
 * @throws EfficientDetError ERR_DETECTIONS
 */
export async function readDetections(path: string): Promise<CocoDetection[]> {
  return (await readJson(path, 'ERR_DETECTIONS')) as CocoDetection[]
}

/** @throws EfficientDetError of the code */
export async function readJson(path: string, code: 'ERR_ANNOTATIONS' | 'ERR_DETECTIONS'): Promise<unknown> {
  checkPath('path', path)
  const refuse = (reason: string, cause?: unknown) =>
    new EfficientDetError(code, `${path} ${reason}. Expected a JSON file as COCO has it.`, { cause })
  let bytes: Uint8Array
  try {
    bytes = await readSmallFile(path, MAX_EVALUATION_FILE)
  } catch (cause) {
    throw cause instanceof FileProblem ? refuse(cause.message, cause) : cause
  }
  const { values, depth } = jsonExtent(bytes)
  if (values > MAX_EVALUATION_VALUES) throw refuse(`has more than ${MAX_EVALUATION_VALUES} values`)
  if (depth > MAX_DEPTH) throw refuse(`nests deeper than ${MAX_DEPTH} levels`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw refuse(`is no JSON (${(cause as Error).message})`, cause)
  }
}
