import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './cli.js'

const backendLibrary =
  process.env.EFFICIENTDET_RTX ?? join(ROOT, 'build', 'Release', 'libefficientdet_rtx.so')
const libraryPath = join(ROOT, '.cache', 'tensorrt', 'rtx')

/** TensorRT-RTX's backend and its libraries, which build without a GPU for the GPUs that are named. */
export const RTX = { backendLibrary, libraryPath, targets: ['sm89'] } as const

const missing = [backendLibrary, libraryPath].find((path) => !existsSync(path))

/** Whether both are there (`tools/setup-cuda.sh cuda rtx`, `npm run build:native`). */
export const hasRtx = missing === undefined

if (!hasRtx) console.warn(`Tests with TensorRT-RTX are skipped: there is no ${missing}.`)
