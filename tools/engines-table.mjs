// Builds engines of all sizes, with random weights, with TensorRT-RTX, which needs no GPU for that.
//
// Prints a table row for each: that they build, how long that takes, how large the plans are, and the most memory.
//
//   npm run build && npm run build:native && tools/setup-cuda.sh rtx
//   node tools/engines-table.mjs [--models d0,lite0] [--batches 1,8] [--targets sm89] [--libraries FOLDER]
//                                [--backend-library FILE]
//
// Exit code 1 if any is refused.
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildEngine } from '#lib/api/engines.js'
import { VARIANT_NAMES } from '#lib/models/variants.js'
import { writeRandomWeights } from './random-weights.mjs'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

/** Builds one engine in this process, whose peak memory is then its own. */
async function build({ weights, output, options }) {
  const begun = performance.now()
  const { bytes } = await buildEngine(weights, { ...options, output })
  process.send({
    seconds: (performance.now() - begun) / 1000,
    bytes,
    peak: process.resourceUsage().maxRSS * 1024,
  })
}

/** @returns the answer of `build`, or null if it is refused */
function buildApart(request, folder) {
  return new Promise((resolve) => {
    let answer = null
    const child = fork(path('engines-table.mjs'), ['--child'], {
      env: { ...process.env, EFFICIENTDET_CACHE: folder },
    })
    child.on('message', (message) => {
      answer = message
    })
    child.on('exit', () => resolve(answer))
    child.send(request)
  })
}

async function table() {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', default: VARIANT_NAMES.join(',') },
      batches: { type: 'string', default: '1,8' },
      targets: { type: 'string', default: 'sm89' },
      libraries: { type: 'string', default: path('../.cache/tensorrt/rtx') },
      'backend-library': { type: 'string', default: path('../build/Release/libefficientdet_rtx.so') },
    },
  })
  const libraries = { libraryPath: values.libraries, backendLibrary: values['backend-library'] }
  console.log(`| model | precision | batch up to | seconds | plan MB | peak MB |
| --- | --- | ---: | ---: | ---: | ---: |`)
  for (const model of values.models.split(',')) {
    const folder = await mkdtemp(join(tmpdir(), 'efficientdet-table-'))
    try {
      const weights = join(folder, `${model}.safetensors`)
      await writeRandomWeights(weights, model)
      for (const precision of ['fp32', 'fp16']) {
        for (const batch of values.batches.split(',')) {
          const options = {
            ...libraries,
            targets: values.targets.split(','),
            maxBatchSize: Number(batch),
            // TensorRT's time and memory, without the CPU backend's.
            engine: { precision, selfTest: false },
          }
          const answer = await buildApart({ weights, output: join(folder, 'engine'), options }, folder)
          const cells =
            answer === null
              ? '**failed** | |'
              : `${answer.seconds.toFixed(1)} | ${(answer.bytes / 1e6).toFixed(1)} | ${(answer.peak / 1e6).toFixed(0)}`
          console.log(`| ${model} | ${precision} | ${batch} | ${cells} |`)
          if (answer === null) process.exitCode = 1
        }
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  const [{ model }] = cpus()
  const day = new Date().toISOString().slice(0, 10)
  console.log(
    `\nFor ${values.targets}; ${day}, Linux ${process.arch}, ${model}, ${cpus().length} cores, Node ${process.versions.node}.`,
  )
}

if (process.argv[2] === '--child') {
  process.once('message', async (request) => {
    try {
      await build(request)
    } catch (error) {
      console.error(error.message)
    }
    process.disconnect()
  })
} else {
  await table()
}
