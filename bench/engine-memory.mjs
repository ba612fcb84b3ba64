// Memory that TensorRT-RTX's builder takes at its peak, beside what the pre-flight of builds reckons with. Needs
// tools/setup-cuda.sh cuda rtx and npm run build:native; no GPU.
//
//   node bench/engine-memory.mjs [sizes...]
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { addonFolder, loadAddon } from '../dist/backends/tensorrt/addon.js'
import { estimateMemory } from '../dist/engines/memory.js'
import { buildGraph } from '../dist/graph/build.js'
import { officialArchitecture } from '../dist/models/spec.js'
import { nativeInput, variant } from '../dist/models/variants.js'
import { randomWeights } from '../tools/random-weights.mjs'

const LIBRARIES = fileURLToPath(new URL('../.cache/tensorrt/rtx', import.meta.url))
const [first, ...rest] = process.argv.slice(2)

if (first === '--one') await one(...rest)
else all(first === undefined ? ['lite0', 'd0', 'd2', 'd4', 'd6', 'd7x'] : [first, ...rest])

/** Every build in a process of its own, for a peak is a process's. */
function all(sizes) {
  console.log('| model | precision | largest batch | peak MB | reckoned MB | ratio | plan MB | seconds |')
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
  for (const size of sizes) {
    for (const precision of ['fp16', 'fp32']) {
      for (const maxBatchSize of [1, 8]) {
        const args = [process.argv[1], '--one', size, precision, maxBatchSize]
        process.stdout.write(execFileSync(process.execPath, ['--expose-gc', ...args], { encoding: 'utf8' }))
      }
    }
  }
  console.log(`\n${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, Node ${process.versions.node}`)
}

async function one(name, precision, batch) {
  const maxBatchSize = Number(batch)
  const architecture = officialArchitecture(variant(name))
  const inputSize = nativeInput(variant(name))
  const onnx = graph(architecture, inputSize, precision, maxBatchSize)
  globalThis.gc()
  const addon = loadAddon()
  const library = addon.openLibrary(process.env.EFFICIENTDET_RTX ?? `${addonFolder()}/libefficientdet_rtx.so`)
  await addon.probe(library, LIBRARIES, 0)
  const before = memory('VmRSS')
  // Makes the peak begin anew.
  writeFileSync('/proc/self/clear_refs', '5')
  const begun = performance.now()
  const options = {
    maxBatchSize,
    device: 0,
    targets: Uint32Array.of(89),
    workspaceBytes: 0,
    optimisationLevel: -1,
    tf32: false,
    versionCompatible: false,
    hardwareCompatible: false,
    timingCache: null,
  }
  const { plan } = await addon.build(
    library,
    onnx,
    options,
    new Int32Array(new SharedArrayBuffer(4)),
    () => {},
  )
  const seconds = (performance.now() - begun) / 1000
  const peak = memory('VmHWM') - before
  const settings = { ...options, precision }
  const reckoned = estimateMemory(architecture, inputSize, settings, false).host
  const megabytes = [peak, reckoned].map((bytes) => (bytes / 1e6).toFixed(0))
  const ratio = (reckoned / peak).toFixed(2)
  console.log(
    `| ${name} | ${precision} | ${maxBatchSize} | ${megabytes.join(' | ')} | ${ratio} | ${(plan.length / 1e6).toFixed(1)} | ${seconds.toFixed(1)} |`,
  )
  // Libraries that found no driver may stumble over it again while they unload.
  process.exit()
}

/** A graph of random weights: repeating ones are packed into less. */
function graph(architecture, inputSize, precision, maxBatchSize) {
  const batch = maxBatchSize > 1 ? 'dynamic' : 1
  return buildGraph(architecture, randomWeights(architecture), {
    inputSize,
    batch,
    precision,
    input: 'fp32',
  })
}

function memory(name) {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return 1024 * Number(match[1])
}
