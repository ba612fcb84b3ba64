// Runs the kit's steps one after another, and writes what they say as one JSON file and one table. Started by run.sh.
//
// Each is a program of its own with a time limit; one that fails does not stop the others.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const project = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const { values: options } = parseArgs({
  options: {
    tensorrt: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '4' },
    only: { type: 'string' },
    out: { type: 'string', default: 'results' },
    'dry-run': { type: 'boolean', default: false },
  },
})
const isDry = options['dry-run']
const device = join(project, 'gpu', isDry ? 'emulated' : 'device')
const python = ['python3', '/usr/bin/python3'].find(
  (each) => spawnSync(each, ['-c', 'import torch']).status === 0,
)

/** In the order of what is learnt from them, for time may run out; each with its limit in seconds. */
const STEPS = [
  { name: 'replay', title: "kernel tests' requests, byte for byte", seconds: 60 },
  { name: 'times', title: 'times of the kernels', seconds: 60 },
  { name: 'callers', title: '64 callers in seven formats', seconds: 40 },
  { name: 'captures', title: 'captures while others load', seconds: 60 },
  { name: 'device-frames', title: "PyTorch's frames", seconds: 40 },
  { name: 'float16', title: 'float16 from end to end', seconds: 60 },
  { name: 'soak', title: 'memory over many frames', seconds: 60 },
  { name: 'sanitize', title: 'compute-sanitizer', seconds: 90 },
]
/** With TensorRT, which takes minutes to build an engine. */
const TENSORRT_STEPS = [
  { name: 'tensorrt-checks', title: 'engines against the CPU', seconds: 1500, file: 'gpu/engines.mjs' },
  { name: 'tensorrt-times', title: 'times of the engines', seconds: 900, file: 'bench/gpu.mjs' },
]
/** On a CPU, which stands in for a GPU slowly. */
const DRY_SECONDS = 900

const environment = {
  ...process.env,
  GPU_KIT_PROJECT: project,
  GPU_KIT_DEVICE: device,
  ...(python !== undefined && { GPU_KIT_PYTHON: python }),
  EFFICIENTDET_CUDA_KERNELS: join(device, 'cuda_kernels'),
  // Helpers of tests find the backend and the stand-in for TensorRT here.
  EFFICIENTDET_EMULATED: device,
  ...(isDry && {
    GPU_KIT_DRY: '1',
    LD_LIBRARY_PATH: [device, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter),
  }),
}

const date = new Date().toISOString()
const out = resolve(options.out)
mkdirSync(out, { recursive: true })
const file = join(out, `gpu-kit-${date.slice(0, 19).replaceAll(':', '')}.json`)
const report = {
  date,
  package: JSON.parse(readFileSync(join(project, 'kit.json'), 'utf8')),
  machine: machine(),
  steps: [],
}
console.log(`${report.machine.gpus?.join('; ') ?? 'no GPU'}${isDry ? ' (dry run: a CPU stands in)' : ''}`)
write()

let endStep = () => {}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    endStep()
    printTable()
    process.exit(128 + constants.signals[signal])
  })
}

const until = performance.now() + 60_000 * Number(options.minutes)
const wanted = options.only?.split(',')
const isWanted = ({ name }) => wanted === undefined || wanted.includes(name)
for (const step of STEPS.filter(isWanted)) {
  const left = isDry ? DRY_SECONDS : Math.min(step.seconds, (until - performance.now()) / 1000)
  await run(step, left, join(project, 'gpu', 'steps', `${step.name}.mjs`), [])
}
if (options.tensorrt) {
  for (const step of TENSORRT_STEPS.filter(isWanted)) {
    await run(step, step.seconds, join(project, step.file), ['--short'])
  }
  keepBenchResults()
}
printTable()
console.log(file)
if (report.steps.some(({ state }) => state === 'failed' || state === 'timed out')) process.exitCode = 1

/** Runs a step to its end or limit, and notes what it said. */
async function run({ name, title }, seconds, program, args) {
  if (seconds < 5) return note({ step: name, title, state: 'skipped', message: 'no time is left' })
  console.log(`\n${name}: ${title}`)
  const started = performance.now()
  const child = spawn(process.execPath, [program, ...args], {
    cwd: project,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that whatever it started ends with it.
    detached: true,
  })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text
      process[stream].write(text)
    })
  }
  let isLate = false
  const kill = () => process.kill(-child.pid, 'SIGKILL')
  const timer = setTimeout(() => {
    isLate = true
    kill()
  }, 1000 * seconds)
  endStep = kill
  const [code, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)))
  endStep = () => {}
  clearTimeout(timer)
  const results = resultsIn(output.stdout)
  // Benches tell it as text.
  const skipped =
    results.find((result) => 'skipped' in result)?.skipped ?? /^Skipped: (.*)$/m.exec(output.stdout)?.[1]
  note({
    step: name,
    title,
    state: isLate ? 'timed out' : code !== 0 ? 'failed' : skipped !== undefined ? 'skipped' : 'passed',
    seconds: Math.round((performance.now() - started) / 100) / 10,
    results,
    ...(skipped !== undefined && { message: skipped }),
    ...(code !== 0 && { code, signal, message: output.stderr.trim().slice(-2000) }),
  })
}

/** The lines that are JSON objects. */
function resultsIn(text) {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return []
    try {
      return [JSON.parse(line)]
    } catch {
      return []
    }
  })
}

/** Written after each step, so that what ends the kit leaves what was found. */
function note(step) {
  report.steps.push(step)
  write()
}

function write() {
  writeFileSync(`${file}.part`, `${JSON.stringify(report, null, 2)}\n`)
  renameSync(`${file}.part`, file)
}

function machine() {
  const ask = (command, ...args) => {
    const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000 })
    return status === 0 ? stdout.trim().split('\n') : null
  }
  const query = 'name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,mig.mode.current'
  return {
    gpus: ask('nvidia-smi', `--query-gpu=${query}`, '--format=csv,noheader'),
    nvcc: (ask('nvcc', '--version') ?? ask('/usr/local/cuda/bin/nvcc', '--version'))?.at(-1) ?? null,
    torch: python === undefined ? null : ask(python, '-c', 'import torch; print(torch.__version__)')?.at(-1),
    node: process.versions.node,
    processors: ask('nproc')?.[0] ?? null,
    // Whether Node can use the device, and what the driver and the libraries are.
    doctor: ask(process.execPath, join(project, 'dist', 'cli', 'main.js'), 'doctor'),
  }
}

/** What the benches wrote, beside the report. */
function keepBenchResults() {
  const folder = join(project, 'bench', 'results')
  if (!existsSync(folder)) return
  report.bench = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
  write()
}

function printTable() {
  console.log(`\n| step | | seconds | |\n|---|---|---:|---|`)
  for (const { step, title, state, seconds = 0, message = '' } of report.steps) {
    const lines = message.split('\n')
    const told = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1)
    console.log(`| ${step}: ${title} | ${state} | ${seconds} | ${told} |`)
  }
  const times = report.steps.find(({ step }) => step === 'times')?.results ?? []
  const copy = times.find(({ stage }) => stage === 'copy')
  if (copy === undefined) return
  console.log(`\nA copy: ${copy.gigabytesPerSecond} GB/s read and written. Floors are bytes at that speed.\n`)
  console.log(
    '| stage | model | batch | ms | floor | times the floor | workspace |\n|---|---|---:|---:|---:|---:|---:|',
  )
  for (const { stage, kind, model, batch, ms, floorMs, ratio, workspace } of times) {
    if (ms === undefined) continue
    const megabytes = workspace === 0 ? '' : `${(workspace / 1e6).toFixed(1)} MB`
    console.log(`| ${stage}, ${kind} | ${model} | ${batch} | ${ms} | ${floorMs} | ${ratio} | ${megabytes} |`)
  }
}
