import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { findTensorrt } from '#lib/backends/tensorrt/find.js'
import { EfficientDet } from '#lib/index.js'

/**
 * What TensorRT engines would run on here; null where nothing does, after saying why. The folder of TensorRT's
 * libraries may be named by TENSORRT_PATH.
 */
export async function gpuMachine() {
  const found = await findTensorrt({
    family: process.env.TENSORRT_FAMILY ?? null,
    backendLibrary: null,
    libraryPath: process.env.TENSORRT_PATH ?? null,
    devices: [0],
  })
  if ('unavailable' in found) {
    console.log(`Skipped: ${found.unavailable.reason}. ${found.unavailable.remedy}.`)
    return null
  }
  const { description, libraryVersion, cudaVersion, driverVersion, devices } = found.native.probe
  return { description, tensorrt: libraryVersion, cuda: cudaVersion, driver: driverVersion, devices }
}

/** Options of `load` for the same libraries, and for an engine of a precision. */
export const gpuOptions = (precision) => ({
  backend: 'tensorrt',
  ...(process.env.TENSORRT_PATH && { libraryPath: process.env.TENSORRT_PATH }),
  engine: { precision, ...(process.env.TENSORRT_FAMILY && { family: process.env.TENSORRT_FAMILY }) },
})

/** Works with a detector, which gives its memory back however that ends. */
export async function withDetector(model, options, work) {
  const detector = await EfficientDet.load(model, options)
  try {
    return await work(detector)
  } finally {
    await detector.dispose()
  }
}

/** Runs one check or measurement; one that fails is a result, too, and the others still run. */
export async function attempt(check, run) {
  try {
    return await run(check)
  } catch (error) {
    if (error.name !== 'EfficientDetError') throw error
    return { check, passed: false, code: error.code, message: error.message, details: error.details }
  }
}

/** Writes what was measured into bench/results, with the machine and the date. */
export async function writeResults(name, machine, results) {
  const date = new Date().toISOString()
  const folder = new URL('results/', import.meta.url)
  await mkdir(folder, { recursive: true })
  const file = fileURLToPath(new URL(`${name}-${date.slice(0, 10)}.json`, folder))
  await writeFile(
    file,
    `${JSON.stringify({ date, node: process.versions.node, ...machine, results }, null, 2)}\n`,
  )
  console.log(file)
}
