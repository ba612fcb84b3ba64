// Kills workers, the process that queues and Redis at random moments, and compares what comes of it with an undisturbed
// run: `node bench/batch-kills.mjs [kills] [seed] [folder]`.
//
// The fake backend (`npm run build:native`) looks at pictures made here, or two workers with `person` at those of a
// folder. Needs redis-server.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { score } from '#lib/batch/index.js'

const KILLS = Number(process.argv[2] ?? 200)
const given = process.argv[4]
const WORKERS = given === undefined ? 8 : 2
const PICTURES = 600
/** Milliseconds between kills, about. */
const PAUSE = given === undefined ? 250 : 2500
const SHARD_SIZE = given === undefined ? 10 : 50
const main = new URL('../dist/cli/main.js', import.meta.url).pathname
const backendLibrary = new URL('../build/Release/libefficientdet_fake.so', import.meta.url).pathname
const detector =
  given === undefined
    ? ['--backend', 'tensorrt', '--backend-library', backendLibrary, '--no-self-test']
    : ['--backend', 'cpu', '--threads', '1']

/** Mulberry32, so that a run can be repeated as far as its moments go. */
let state = Number(process.argv[3] ?? 1)
function random() {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const folder = await mkdtemp(join(tmpdir(), 'efficientdet-kills-'))
const children = new Set()
process.env.FAKE_BACKEND = 'delay=1000'
try {
  await run()
} finally {
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
}

async function run() {
  const photographs = given ?? join(folder, 'photographs')
  if (given === undefined) await makePictures(photographs)
  const expected = join(folder, 'undisturbed')
  const load =
    given === undefined
      ? { backend: 'tensorrt', backendLibrary, inputSize: 64, engine: { selfTest: false } }
      : { backend: 'cpu' }
  const { pictures } = await score({ sources: [photographs], out: expected, shardSize: SHARD_SIZE, load })
  const files = await contentsOf(expected)
  const wanted = { files, code: files.some(([name]) => name === '/errors.jsonl') ? 3 : 0 }

  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  let redis = await startRedis(port)
  const workers = Array.from({ length: WORKERS }, () => startWorker(url))
  const counts = { worker: 0, queueing: 0, redis: 0 }
  const kills = () => counts.worker + counts.queueing + counts.redis
  let runs = 0
  const begun = performance.now()
  while (kills() < KILLS) {
    const out = join(folder, `run-${runs++}`)
    const small = given === undefined ? ['--input-size', 64] : []
    const args = ['score', photographs, '--out', out, '--shard-size', SHARD_SIZE, ...small]
    let code = null
    let told = ''
    while (code === null) {
      const queueing = start([...args, ...detector, '--queue', url])
      const exited = once(queueing, 'exit')
      let isOver = false
      exited.then(() => (isOver = true))
      while (!isOver) {
        await Promise.race([exited, sleep(PAUSE * (0.2 + 1.2 * random()))])
        if (isOver || kills() >= KILLS) continue
        const victim = random()
        if (victim < 0.1) {
          counts.queueing++
          queueing.kill('SIGKILL')
          await exited
        } else if (victim < 0.14) {
          counts.redis++
          redis.kill('SIGKILL')
          await once(redis, 'exit')
          redis = await startRedis(port)
        } else {
          counts.worker++
          const which = Math.floor(random() * WORKERS)
          workers[which].kill('SIGKILL')
          await once(workers[which], 'exit')
          workers[which] = startWorker(url)
        }
      }
      code = (await exited)[0]
      told = queueing.told
    }
    const found = await contentsOf(out)
    if (code !== wanted.code || JSON.stringify(found) !== JSON.stringify(wanted.files)) {
      console.error(
        `Run ${runs} ended with ${code} (${told}) and differs: ${differing(found, wanted.files).join(', ')}`,
      )
      process.exitCode = 1
      return
    }
  }
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
  )
  console.log(
    `${kills()} kills (${counts.worker} of ${WORKERS} workers, ${counts.queueing} of the process that queues, ${counts.redis} of Redis) in ${runs} runs of ${pictures} pictures and ${((performance.now() - begun) / 1000).toFixed(0)} s: each as an undisturbed run, byte for byte`,
  )
}

/** Small pictures, of which some are none. */
async function makePictures(photographs) {
  await mkdir(photographs)
  for (let i = 0; i < PICTURES; i++) {
    const noise = { channels: 3, background: '#888', noise: { type: 'gaussian', mean: i % 256, sigma: 40 } }
    const picture = sharp({ create: { width: 64, height: 64, ...noise } })
    const bytes = i % 97 === 13 ? Buffer.from('no picture') : await picture.png().toBuffer()
    await writeFile(join(photographs, `${String(i).padStart(4, '0')}.png`), bytes)
  }
}

/** All files of a run by name, but for what running processes have there. */
async function contentsOf(out) {
  const entries = await readdir(out, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.includes('.partial-'))
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
  return Promise.all(paths.map(async (path) => [path.slice(out.length), await readFile(path, 'utf8')]))
}

function differing(found, wanted) {
  const [a, b] = [found, wanted].map((files) => new Map(files))
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name))
}

function startWorker(url) {
  return start(['worker', '--queue', url, ...detector])
}

function start(args) {
  const child = spawn(process.execPath, [main, ...args.map(String)], { stdio: ['ignore', 'ignore', 'pipe'] })
  child.told = ''
  child.stderr.on('data', (text) => (child.told = (child.told + text).slice(-2000)))
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

async function startRedis(port) {
  const child = spawn('redis-server', ['--port', port, '--save', '', '--bind', '127.0.0.1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  for await (const text of child.stdout) if (String(text).includes('Ready to accept')) break
  child.stdout.on('error', () => {}).resume()
  return child
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}
