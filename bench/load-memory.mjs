// Memory that TensorRT-RTX wants for a context's layers, beside what the pre-flight of loads reckons with. Needs
// tools/setup-cuda.sh cuda rtx and npm run build:native; no GPU.
//
//   node bench/load-memory.mjs [sizes...]
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { addonFolder, loadAddon } from '../dist/backends/tensorrt/addon.js'
import { layerMemory } from '../dist/engines/memory.js'
import { buildGraph } from '../dist/graph/build.js'
import { officialArchitecture } from '../dist/models/spec.js'
import { nativeInput, variant } from '../dist/models/variants.js'
import { randomWeights } from '../tools/random-weights.mjs'

const sizes = process.argv.slice(2)
const addon = loadAddon()
const library = addon.openLibrary(`${addonFolder()}/libefficientdet_rtx.so`)
await addon.probe(library, fileURLToPath(new URL('../.cache/tensorrt/rtx', import.meta.url)), 0)

console.log('| model | precision | largest batch | layers MB | reckoned MB | ratio |')
console.log('| --- | --- | ---: | ---: | ---: | ---: |')
for (const name of sizes.length > 0 ? sizes : ['lite0', 'd0', 'd2', 'd4', 'd6', 'd7x']) {
  const architecture = officialArchitecture(variant(name))
  const inputSize = nativeInput(variant(name))
  for (const precision of ['fp16', 'fp32']) {
    for (const maxBatchSize of [1, 8]) {
      const actual = await activationBytes({ architecture, inputSize, precision, maxBatchSize })
      const reckoned = layerMemory(architecture, inputSize, { precision, maxBatchSize })
      const megabytes = [actual, reckoned].map((bytes) => (bytes / 1e6).toFixed(0))
      console.log(
        `| ${name} | ${precision} | ${maxBatchSize} | ${megabytes.join(' | ')} | ${(reckoned / actual).toFixed(2)} |`,
      )
    }
  }
}
console.log(`\n${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, Node ${process.versions.node}`)
// Libraries that found no driver may stumble over it again while they unload.
process.exit()

/** What the builder says of the engine. */
async function activationBytes({ architecture, inputSize, precision, maxBatchSize }) {
  const batch = maxBatchSize > 1 ? 'dynamic' : 1
  const onnx = buildGraph(architecture, randomWeights(architecture), {
    inputSize,
    batch,
    precision,
    input: 'fp32',
  })
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
  const cancel = new Int32Array(new SharedArrayBuffer(4))
  const { log } = await addon.build(library, onnx, options, cancel, () => {})
  const all = [...log.matchAll(/Total Activation Memory: (\d+) bytes/g)].map(([, bytes]) => Number(bytes))
  return Math.max(...all)
}
