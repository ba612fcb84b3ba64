import { convertModelFile } from '../weights/convert.js'
import { inspectModelFile } from '../weights/model-file.js'
import { exportModelFile } from './export.js'
import { hashedGraph } from './graph.js'

/** Jobs over whole model files: seconds of work for the large ones, so they run in a thread of their own. */
export const TASKS = {
  convert: convertModelFile,
  export: exportModelFile,
  graph: hashedGraph,
  inspect: inspectModelFile,
}

export type Tasks = typeof TASKS
