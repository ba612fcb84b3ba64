// Prints how long `score` takes over the photographs of ../shared/data/person/val, in turns with `detectBatch` and with
// a pool of Python processes (tools/reference/by_hand.py): `node bench/score.mjs [rounds]`.
//
// With a number of pictures above 1000, the fake backend takes 1 ms for each: what they cost beside it, in one process
// and in two.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { score } from '#lib/batch/index.js'
import { EfficientDet, exportOnnx } from '#lib/index.js'
import { median } from './pairs.mjs'

const amount = Number(process.argv[2] ?? 3)
const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const photographs = pathOf('../../shared/data/person/val/')
const python = pathOf('../.cache/reference/venv/bin/python')
const folder = await mkdtemp(join(tmpdir(), 'efficientdet-score-'))

if (process.argv[3] === undefined) {
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
  )
}
try {
  if (amount > 1000) await small()
  else await real()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function real() {
  const files = readdirSync(photographs)
    .sort()
    .map((name) => photographs + name)
  const detector = await EfficientDet.load('person')
  const byHand = existsSync(python) ? await startPython(files) : null
  if (byHand === null)
    console.log('Python by hand is skipped: tools/reference/setup.sh makes its environment.')
  const ways = {
    score: (round) => score({ sources: [photographs], out: join(folder, `run-${round}`) }),
    detectBatch: () => detector.detectBatch(files),
    ...(byHand && { 'Python by hand, two processes': byHand.round }),
  }
  await detector.detectBatch(files.slice(0, 200))
  const rates = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round < amount; round++) {
    const names = Object.keys(ways)
    for (const name of round % 2 === 0 ? names : names.reverse()) {
      const begun = performance.now()
      await ways[name](round)
      rates[name].push((1000 * files.length) / (performance.now() - begun))
    }
  }
  byHand?.end()
  await detector.dispose()
  console.log(
    `${files.length} photographs to files, medians of ${amount} rounds; score loads the model each time`,
  )
  for (const [name, list] of Object.entries(rates))
    console.log(`${name}: ${median(list).toFixed(1)} pictures/s`)
  const ratio = median(rates.score.map((rate, i) => rate / rates.detectBatch[i]))
  console.log(`score / detectBatch: ${ratio.toFixed(3)}`)
}

async function startPython(files) {
  const graph = join(folder, 'person.onnx')
  await exportOnnx('person', graph)
  const args = [
    pathOf('../tools/reference/by_hand.py'),
    graph,
    ...files,
    '--processes',
    '2',
    '--threads',
    '1',
  ]
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  await lines.next()
  const round = async () => {
    child.stdin.write('\n')
    await lines.next()
  }
  await round()
  return { round, end: () => child.stdin.end() }
}

/** Many times the same small picture, in a list. */
async function small() {
  const load = {
    backend: 'tensorrt',
    backendLibrary: pathOf('../build/Release/libefficientdet_fake.so'),
    inputSize: 64,
    maxBatchSize: 1,
    contexts: 1,
    engine: { selfTest: false },
  }
  process.env.FAKE_BACKEND = 'delay=1000'
  const [, , , list, out, index, count] = process.argv
  if (list !== undefined) {
    await score({ sources: [list], out, load, shard: { index: Number(index), count: Number(count) } })
    return
  }
  const picture = join(folder, 'picture.png')
  await sharp({ create: { width: 32, height: 32, channels: 3, background: '#888' } })
    .png()
    .toFile(picture)
  const names = join(folder, 'list.txt')
  await writeFile(names, `${picture}\n`.repeat(amount))
  const memory = []
  const rss = setInterval(() => memory.push(process.memoryUsage().rss / 1e6), 1000)
  const cpu = process.cpuUsage()
  const { seconds } = await score({ sources: [names], out: join(folder, 'one'), load })
  clearInterval(rss)
  const { user, system } = process.cpuUsage(cpu)
  const [early, late] = [memory[Math.floor(memory.length / 4)], memory.at(-1)]
  console.log(
    `one process: ${amount} pictures in ${seconds.toFixed(1)} s, ${(amount / seconds).toFixed(0)}/s; ${((1e6 * seconds) / amount - 1000).toFixed(0)} µs and ${((user + system) / amount).toFixed(0)} µs of processor time beside the backend's 1000 µs for each; memory ${early?.toFixed(0)} MB after a quarter, ${late?.toFixed(0)} MB in the end`,
  )
  const begun = performance.now()
  const both = [0, 1].map((index) => {
    const args = [fileURLToPath(import.meta.url), amount, names, join(folder, 'two'), index, 2]
    return spawn(process.execPath, args.map(String), { stdio: 'inherit' })
  })
  const codes = await Promise.all(both.map((child) => once(child, 'exit')))
  if (codes.some(([code]) => code !== 0)) throw new Error('A process failed.')
  const together = (performance.now() - begun) / 1000
  console.log(
    `two processes: ${together.toFixed(1)} s with their start, ${(seconds / together).toFixed(2)} times as fast`,
  )
}
