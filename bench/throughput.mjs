// Prints how many picture files a second go through the CPU backend, beside Python by hand (tools/reference/by_hand.py)
// and what the network alone would allow: `npm run bench:throughput`.
//
// Every round (7, or as many as given) has all of them, in changing order, so that whatever else the machine does meets
// all.
//
// Needs ../shared and tools/reference/setup.sh; the machine should be idle.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { cpus, platform } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import ort from 'onnxruntime-node'
import { availableProcessors } from '#lib/base/available-processors.js'
import { EfficientDet, exportOnnx } from '#lib/index.js'
import { median } from './pairs.mjs'

const ROUNDS = Number(process.argv[2]) || 7
const PICTURES = 200
/** Runs of the network alone in each round. */
const RUNS = 50
const SIDE = 320

const folder = fileURLToPath(new URL('../../shared/data/person/val/', import.meta.url))
const python = fileURLToPath(new URL('../.cache/reference/venv/bin/python', import.meta.url))
const script = fileURLToPath(new URL('../tools/reference/by_hand.py', import.meta.url))
const graph = fileURLToPath(new URL('../.cache/bench/person.onnx', import.meta.url))

const files = readdirSync(folder)
  .sort()
  .slice(0, PICTURES)
  .map((name) => folder + name)
const cores = availableProcessors()

if (process.argv[2] === '--one') await one()
else await all()

/** The scaling of `stream` on so many of the cores, each in a process that may use no others. */
async function scaling() {
  const sizes = [1, 2, 4, 8, 16].filter((size) => size <= cores)
  if (platform() !== 'linux' || sizes.length < 2) return
  console.log('\n| cores, by affinity | pictures/s | network alone, one thread | of the bound |')
  console.log('| ---: | ---: | ---: | ---: |')
  for (const size of sizes) {
    const child = fork(fileURLToPath(import.meta.url), ['--one'], {
      execPath: 'taskset',
      execArgv: ['--cpu-list', `0-${size - 1}`, process.execPath],
    })
    const { rate, alone } = await new Promise((resolve) => child.once('message', resolve))
    console.log(
      `| ${size} | ${rate.toFixed(1)} | ${alone.toFixed(2)} ms | ${((rate * alone) / 1000 / size).toFixed(2)} |`,
    )
  }
}

/** In a process of its own: `stream` and the bare network in turns. */
async function one() {
  const [stream, network] = [await ours({}), await bare(1)]
  const [rates, times] = [[], []]
  for (let round = 0; round < 3; round++) {
    rates.push((await stream.round()).rate)
    times.push(...(await network.round()).times)
  }
  process.send({ rate: median(rates), alone: median(times) })
  await stream.end()
  process.disconnect()
}

async function all() {
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}, onnxruntime ${ort.env.versions.node}`,
  )
  console.log(`${PICTURES} photographs of person/val, \`person\` in float32; ${ROUNDS} rounds, medians\n`)
  mkdirSync(new URL('.', `file://${graph}`), { recursive: true })
  await exportOnnx('person', graph, { batch: 1 })
  const contenders = [
    ['network alone, one thread', await bare(1)],
    [`network alone, ${cores} threads`, await bare(cores)],
    ['stream, as it is by default', await ours({})],
    ['stream, maxInFlight 1', await ours({ maxInFlight: 1 })],
  ]
  if (existsSync(python)) {
    for (const [processes, threads] of [
      [1, cores],
      [cores, 1],
    ]) {
      const what = `Python by hand, ${processes} process${processes > 1 ? 'es' : ''} of ${threads} thread${threads > 1 ? 's' : ''}`
      contenders.push([what, await byHand(processes, threads)])
    }
  } else console.log('Python by hand: skipped, tools/reference/setup.sh was not run\n')
  const rounds = contenders.map(() => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const which = (i + round) % contenders.length
      // Threads that still wait for work busily end it.
      await sleep(100)
      rounds[which].push(await contenders[which][1].round())
    }
  }
  const rates = rounds.map((those) => median(those.map(({ rate }) => rate)))
  console.log('| | pictures/s | rounds |')
  console.log('| --- | ---: | --- |')
  contenders.forEach(([name], i) => {
    const each = rounds[i].map(({ rate }) => rate.toFixed(1)).join(' ')
    console.log(`| ${name} | ${rates[i].toFixed(1)} | ${each} |`)
  })
  const [alone, , stream] = rates
  console.log(`\nof the bound, ${cores} × ${alone.toFixed(1)}: ${(stream / (cores * alone)).toFixed(3)}`)
  const paired = rounds[2].map(({ rate }, i) => rate / (cores * rounds[0][i].rate))
  console.log(`of it, round by round: ${paired.map((ratio) => ratio.toFixed(3)).join(' ')}`)
  if (rounds.length > 4) {
    const against = rounds[2].map(({ rate }, i) => rate / rounds.at(-1)[i].rate)
    console.log(`against ${cores} processes of Python: ${median(against).toFixed(3)}, round by round`)
    console.log(`  ${against.map((ratio) => ratio.toFixed(3)).join(' ')}`)
    console.log(`found alike: ${alike(rounds[2][0].detections, rounds.at(-1)[0].detections)}`)
  }
  for (const i of [2, 3]) {
    const { timings, delay, processor } = rounds[i].at(-1)
    const stages = Object.keys(timings[0])
      .map((stage) => `${stage} ${median(timings.map((those) => those[stage])).toFixed(1)}`)
      .join(', ')
    console.log(`\n${contenders[i][0]}: ${contenders[i][1].description}`)
    console.log(`  stages, medians: ${stages} ms; ${processor.toFixed(1)} ms of processor time a picture`)
    console.log(`  event loop, p99 beyond its 1 ms timer: ${delay.toFixed(1)} ms`)
  }
  for (const [, contender] of contenders) await contender.end?.()
  await scaling()
}

/** The network and nothing else. */
async function bare(threads) {
  if (!existsSync(graph)) throw new Error(`There is no ${graph}.`)
  const options = { executionProviders: ['cpu'], intraOpNumThreads: threads }
  const session = await ort.InferenceSession.create(graph, {
    ...options,
    extra: { session: { force_spinning_stop: '1' } },
  })
  const data = Float32Array.from({ length: 3 * SIDE * SIDE }, (_, i) => Math.sin(i))
  const images = new ort.Tensor('float32', data, [1, 3, SIDE, SIDE])
  const outputs = await session.run({ images })
  return {
    async round() {
      const times = []
      for (let i = 0; i < RUNS; i++) {
        const start = performance.now()
        await session.run({ images }, outputs)
        times.push(performance.now() - start)
      }
      return { rate: 1000 / median(times), times }
    },
    end: () => session.release(),
  }
}

async function ours(options) {
  const detector = await EfficientDet.load('person', { backend: 'cpu' })
  const round = async () => {
    const results = []
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const [start, used] = [performance.now(), process.cpuUsage()]
    for await (const result of detector.stream(files, options)) results.push(result)
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(used)
    delay.disable()
    return {
      rate: files.length / seconds,
      timings: results.map(({ timings }) => timings),
      detections: results.map(({ detections }) => detections),
      processor: (user + system) / 1000 / files.length,
      delay: Math.max(0, delay.percentile(99) / 1e6 - 1),
    }
  }
  // Networks that share the cores are opened meanwhile.
  await round()
  return { round, description: detector.backend.description, end: () => detector.dispose() }
}

async function byHand(processes, threads) {
  const counts = ['--processes', processes, '--threads', threads].map(String)
  const child = spawn(python, [script, graph, ...files, ...counts], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const versions = (await lines.next()).value
  if (versions === undefined) throw new Error('Python by hand has ended.')
  const round = async () => {
    child.stdin.write('\n')
    const { seconds, detections } = JSON.parse((await lines.next()).value)
    return { rate: files.length / seconds, detections }
  }
  await round()
  return {
    round,
    versions,
    async end() {
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}

/** How much of what two found is the same. */
function alike(ours, theirs) {
  let [count, matched, farthest] = [0, 0, 0]
  ours.forEach((detections, i) => {
    count += Math.max(detections.length, theirs[i].length)
    for (const { box, score } of detections) {
      const [distance] = theirs[i]
        .map((other) =>
          Math.max(...box.map((side, j) => Math.abs(side - other[j])), 100 * Math.abs(score - other[4])),
        )
        .sort((a, b) => a - b)
      if (distance > 1) continue
      matched++
      farthest = Math.max(farthest, distance)
    }
  })
  return `${matched} of ${count} detections, within ${farthest.toFixed(3)} px or hundredths of a score`
}
