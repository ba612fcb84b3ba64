// Prints what onnxruntime's options save or cost the bare network on one thread, in turns: what docs/cpu.md tells of what
// was tried. D0 needs ../shared.
//
//   node bench/network-options.mjs [rounds]
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import ort from 'onnxruntime-node'
import { exportOnnx } from '#lib/index.js'
import { median } from './pairs.mjs'

const ROUNDS = Number(process.argv[2]) || 30

const OPTIONS = {
  'as they are': {},
  'x·sigmoid(x) not fused': { extra: { optimization: { disable_specified_optimizers: 'QuickGeluFusion' } } },
  'denormals are zero': { extra: { session: { set_denormal_as_zero: '1' } } },
  'no memory pattern': { enableMemPattern: false },
  'no memory arena': { enableCpuMemArena: false },
}

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}, onnxruntime ${ort.env.versions.node}`,
)
console.log(`One thread, ${ROUNDS} rounds\n`)
console.log('| network | options | median ms | least ms |')
console.log('| --- | --- | ---: | ---: |')
await compare('person', 'person', 320)
const golden = fileURLToPath(new URL('../../shared/data/golden-d0/zylo-d0.pth', import.meta.url))
if (existsSync(golden)) await compare('d0', golden, 512)

async function compare(name, model, side) {
  const path = fileURLToPath(new URL(`../.cache/bench/${name}.onnx`, import.meta.url))
  await exportOnnx(model, path, { batch: 1 })
  const graph = await readFile(path)
  const data = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i))
  const images = new ort.Tensor('float32', data, [1, 3, side, side])
  const contenders = []
  for (const [text, options] of Object.entries(OPTIONS)) {
    const standard = { executionProviders: ['cpu'], intraOpNumThreads: 1 }
    const session = await ort.InferenceSession.create(graph, { ...standard, ...options })
    contenders.push({ text, session, outputs: await session.run({ images }), times: [] })
  }
  for (let round = -3; round < ROUNDS; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const { session, outputs, times } = contenders[(i + round + 3) % contenders.length]
      const start = performance.now()
      await session.run({ images }, outputs)
      if (round >= 0) times.push(performance.now() - start)
    }
  }
  for (const { text, session, times } of contenders) {
    console.log(`| ${name} | ${text} | ${median(times).toFixed(2)} | ${Math.min(...times).toFixed(2)} |`)
    await session.release()
  }
}
