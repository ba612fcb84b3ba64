// Memory and time that the CPU backend takes at its peak for the self-test's pictures, beside what builds reckon with.
// Weights are random. Needs npm run build.
//
//   node bench/cpu-memory.mjs
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { detectReference } from '../dist/backends/cpu/reference-detections.js'
import { estimateCpuMemory } from '../dist/engines/memory.js'
import { testImages } from '../dist/engines/self-test/images.js'
import { officialArchitecture } from '../dist/models/spec.js'
import { nativeInput, variant } from '../dist/models/variants.js'
import { writeRandomWeights } from '../tools/random-weights.mjs'

/** Each with its native input, some with others too. */
const CASES = ['lite0', 'lite0 64', 'lite0 1024', 'd0', 'd2', 'd4', 'd4 512', 'd6', 'd7x', 'd7x 640']

const [first, ...rest] = process.argv.slice(2)
if (first === '--one') await one(...rest)
else await all()

/** Every model in a process of its own, for a peak is a process's. */
async function all() {
  const folder = await mkdtemp(join(tmpdir(), 'efficientdet-cpu-memory-'))
  console.log('| model | input | peak MB | reckoned MB | ratio | seconds |')
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |')
  for (const [name, side] of CASES.map((text) => text.split(' '))) {
    const path = join(folder, `${name}.safetensors`)
    await writeRandomWeights(path, name)
    const native = nativeInput(variant(name))
    const size = side === undefined ? native : { height: Number(side), width: Number(side) }
    const child = fork(fileURLToPath(import.meta.url), ['--one', path, size.height, size.width])
    const { peak, seconds } = await new Promise((resolve) => child.once('message', resolve))
    const reckoned = estimateCpuMemory(officialArchitecture(variant(name)), size)
    const cells = [peak / 1e6, reckoned / 1e6].map((value) => value.toFixed(0))
    const input = `${size.height}×${size.width}`
    console.log(
      `| ${name} | ${input} | ${cells.join(' | ')} | ${(reckoned / peak).toFixed(2)} | ${seconds.toFixed(1)} |`,
    )
  }
  await rm(folder, { recursive: true })
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
  )
}

async function one(path, height, width) {
  const frames = await testImages()
  const before = process.memoryUsage.rss()
  const begun = performance.now()
  const size = { height: Number(height), width: Number(width) }
  await detectReference({ path, weights: {}, inputSize: size, signal: undefined }, frames)
  const seconds = (performance.now() - begun) / 1000
  process.send({ peak: process.resourceUsage().maxRSS * 1024 - before, seconds })
  process.disconnect()
}
