import { convertModelFile } from '../weights/convert.js'
import { inspectModelFile } from '../weights/model-file.js'
import { exportModelFile, graphOfModelFile } from './export.js'

/** Jobs over whole model files: seconds of work for the large ones, so they run in a thread of their own. */
export const TASKS = {
  convert: convertModelFile,
  export: exportModelFile,
  graph: graphOfModelFile,
  inspect: inspectModelFile,
}

export type Tasks = typeof TASKS
