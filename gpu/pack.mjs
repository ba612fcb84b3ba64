// Makes the GPU kit: a folder with run.sh and what a bare machine with a GPU lacks to run it.
//
//   npm run gpu:pack [-- FOLDER]   gpu-kit unless named
//
// Builds the package's libraries, records what the kernels' tests ask, and packs both with Node.
//
// Needs CMake, a C++ compiler, CUDA's compiler (`npm run setup:cuda`), TensorRT 10's headers, and xz.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const kit = resolve(process.argv[2] ?? join(root, 'gpu-kit'))
const cache = join(root, '.cache', 'gpu-kit')
const staged = join(cache, 'staged')
const project = join(staged, 'project')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** H100 and its like, A100 and its like; PTX for all others from Turing on. */
const ARCHITECTURES = '80-real;90-real;75-virtual'
/** Bytes of a kit, at most; of all requests together, before compression, which noise resists; of a carried answer. */
const LIMIT = 60e6
const MAX_REQUESTS = 20e6
const MAX_ANSWER = 256e3
/** What xz does first to find more that is equal. */
const MACHINE_CODE = process.arch === 'x64' ? ['--x86'] : ['--arm64']
const KERNEL_TESTS = readdirSync(join(root, 'test', 'native'))
  .filter((name) => /^kernels-\w+\.test\.ts$/.test(name))
  .map((name) => basename(name, '.test.ts'))
const STEPS = ['replay', 'times', 'callers', 'captures', 'device-frames', 'float16', 'soak', 'sanitize']

const started = performance.now()
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`)

rmSync(staged, { recursive: true, force: true })
mkdirSync(join(project, 'gpu', 'steps'), { recursive: true })

// What does not change from pack to pack is packed while the rest is made.
const platform = packPlatform()
buildNative()
const records = await recordTests()
await bundleSteps()
copyProject()
say('Packing the project')
const archive = join(staged, 'project.tar.xz')
await compress(staged, ['project'], archive)

rmSync(kit, { recursive: true, force: true })
mkdirSync(kit, { recursive: true })
renameSync(archive, join(kit, 'project.tar.xz'))
copyFileSync(await platform, join(kit, 'platform.tar.xz'))
copyFileSync(join(root, 'gpu', 'run.sh'), join(kit, 'run.sh'))
rmSync(staged, { recursive: true })
const bytes = readdirSync(kit).reduce((sum, name) => sum + statSync(join(kit, name)).size, 0)
say(`${kit}: ${(bytes / 1e6).toFixed(1)} MB, ${records.carried} of ${records.all} recorded requests`)
if (bytes > LIMIT) {
  console.error(`The kit is larger than ${LIMIT / 1e6} MB.`)
  process.exitCode = 1
}

/** Node and what comes from npm, in an archive that is kept for the next pack. */
async function packPlatform() {
  const packages = packagesToCarry()
  const text = JSON.stringify({ node: process.versions.node, arch: process.arch, packages })
  const kept = join(cache, `platform-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.tar.xz`)
  if (existsSync(kept)) return kept
  const folder = join(cache, 'platform')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  say('Fetching Node')
  const name = `node-linux-${process.arch}@${process.versions.node}`
  const packed = execFileSync('npm', ['pack', '--silent', name], { cwd: folder, encoding: 'utf8' }).trim()
  execFileSync('tar', ['xzf', packed, '--strip-components=2', 'package/bin/node'], { cwd: folder })
  rmSync(join(folder, packed))
  execFileSync('strip', [join(folder, 'node')])
  for (const each of Object.keys(packages)) {
    cpSync(join(root, 'node_modules', each), join(folder, 'project', 'node_modules', each), {
      recursive: true,
      dereference: true,
      filter: (source) => !isForElsewhere(source),
    })
  }
  await compress(folder, ['node', 'project'], `${kept}.part`, MACHINE_CODE)
  renameSync(`${kept}.part`, kept)
  rmSync(folder, { recursive: true })
  say('Node and the packages are packed')
  return kept
}

/** Versions of what the package needs when it runs, by name. */
function packagesToCarry() {
  const found = {}
  const add = (name) => {
    const path = join(root, 'node_modules', name, 'package.json')
    if (name in found || !existsSync(path)) return
    const { version, dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(path, 'utf8'))
    found[name] = version
    // What this one installs with need not go along.
    if (name === 'onnxruntime-node') return add('onnxruntime-common')
    for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) add(each)
  }
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const each of Object.keys({ ...dependencies, ...peerDependencies })) add(each)
  return found
}

/** Files of other systems and processors, and those that only people and compilers read. */
function isForElsewhere(path) {
  const other = process.arch === 'x64' ? 'arm64' : 'x64'
  return (
    /musl|\.(md|map|[cm]?ts|h|cc)$|\/(win32|darwin)(\/|$)/.test(path) ||
    new RegExp(`/(linux/|[^/]*linux-)${other}(/|$)`).test(path)
  )
}

function buildNative() {
  say('Building for the GPU, and for the CPU that stands in for it')
  const folder = join(cache, 'build')
  const cmake = (...args) => {
    const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64e6 }
    const { status, stdout } = spawnSync('cmake', args, options)
    if (status !== 0) throw new Error(`cmake ${args.join(' ')} ended with ${status}:\n${stdout.slice(-2000)}`)
  }
  cmake('-S', '.', '-B', folder, `-DEFFICIENTDET_ARCHITECTURES=${ARCHITECTURES}`)
  cmake('--build', folder, '--parallel', String(availableParallelism()), '--target', 'gpu_kit')
  const carry = (from, to) => {
    mkdirSync(join(project, to, '..'), { recursive: true })
    copyFileSync(join(folder, from), join(project, to))
    execFileSync('strip', [join(project, to)])
  }
  carry('efficientdet_trt.node', 'build/Release/efficientdet_trt.node')
  for (const family of ['trt10', 'trt11', 'rtx']) {
    const library = `libefficientdet_${family}.so`
    if (existsSync(join(folder, 'native/tensorrt', library))) {
      carry(`native/tensorrt/${library}`, `build/Release/${library}`)
    }
  }
  for (const name of ['cuda_kernels', 'cuda_times', 'shared_memory.node', 'stand_in/libnvinfer.so.10']) {
    carry(`gpu/${name}`, `gpu/device/${name}`)
  }
  // Helpers of tests look for the emulated backend; on a device it is TensorRT 10's own.
  symlinkSync(
    '../../build/Release/libefficientdet_trt10.so',
    join(project, 'gpu/device/libefficientdet_emulated.so'),
  )
  for (const [from, name] of [
    ['native/emulation', 'cuda_kernels'],
    ['native/emulation', 'cuda_times'],
    ['native/emulation', 'libefficientdet_emulation.so'],
    ['native/tensorrt/test', 'libefficientdet_emulated.so'],
    ['native/tensorrt/test', 'stand_in/libnvinfer.so.10'],
  ]) {
    carry(`${from}/${name}`, `gpu/emulated/${name}`)
  }
}

/** Runs the kernels' tests on the CPU, and keeps what they ask and are answered, the smallest first. */
async function recordTests() {
  const all = []
  for (const test of KERNEL_TESTS) {
    say(`Recording what test/native/${test}.test.ts asks`)
    const folder = join(staged, 'recorded', test)
    mkdirSync(folder, { recursive: true })
    await run(
      process.execPath,
      [vitest, 'run', '--config', 'test/vitest.config.ts', `test/native/${test}.test.ts`],
      {
        EFFICIENTDET_CUDA_KERNELS: `${join(root, 'gpu', 'record.sh')} ${folder} ${join(project, 'gpu', 'emulated', 'cuda_kernels')}`,
        LD_LIBRARY_PATH: join(project, 'gpu', 'emulated'),
      },
    )
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.request')) continue
      const path = join(folder, name)
      all.push({ test, path, requestBytes: statSync(path).size })
    }
  }
  const index = []
  const to = join(project, 'records')
  mkdirSync(to)
  let bytes = 0
  for (const { test, path, requestBytes } of all.sort((a, b) => a.requestBytes - b.requestBytes)) {
    bytes += requestBytes
    if (bytes > MAX_REQUESTS) break
    const request = `${basename(path, '.request')}.request`
    const answer = `${basename(path, '.request')}.answer`
    const answered = readFileSync(join(path, '..', answer))
    const sha256 = createHash('sha256').update(answered).digest('hex')
    const isCarried = answered.length <= MAX_ANSWER
    renameSync(path, join(to, request))
    if (isCarried) writeFileSync(join(to, answer), answered)
    index.push({
      test,
      request,
      requestBytes,
      answerBytes: answered.length,
      sha256,
      answer: isCarried ? answer : null,
    })
  }
  if (index.length === 0) throw new Error('The tests asked nothing of the kernels that the kit could carry.')
  writeFileSync(join(to, 'index.json'), JSON.stringify(index, null, 1))
  return { carried: index.length, all: all.length }
}

/** The steps with the helpers of tests that they use, which are TypeScript, as modules that Node runs. */
async function bundleSteps() {
  await build({
    entryPoints: STEPS.map((name) => join(root, 'gpu', 'steps', `${name}.ts`)),
    outdir: join(project, 'gpu', 'steps'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    external: ['#lib/*'],
    alias: { vitest: join(root, 'gpu', 'steps', 'test-end.ts') },
    logLevel: 'warning',
  })
}

function copyProject() {
  for (const path of [
    'dist',
    'models',
    'package.json',
    'LICENSE',
    'gpu/kit.mjs',
    'gpu/engines.mjs',
    'gpu/onnx_torch.py',
    'gpu/shared_frame.py',
    'bench/gpu.mjs',
    'bench/gpu-machine.mjs',
    'bench/gpu-models.mjs',
    'bench/pairs.mjs',
    'bench/trained-like.mjs',
    'tools/random-weights.mjs',
  ]) {
    cpSync(join(root, path), join(project, path), {
      recursive: true,
      filter: (source) => !/\.(map|d\.ts)$/.test(source),
    })
  }
  const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' })
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  writeFileSync(
    join(project, 'kit.json'),
    JSON.stringify({
      version,
      commit: commit.status === 0 ? commit.stdout.trim() : null,
      packed: new Date().toISOString(),
    }),
  )
}

/** Writes paths of a folder into an archive. */
function compress(folder, paths, archive, filters = []) {
  const xz = ['xz', '--threads=0', ...filters, '--lzma2=preset=6'].join(' ')
  const args = ['--use-compress-program', xz, '--owner=0', '--group=0', '-cf', archive, ...paths]
  return ended(spawn('tar', args, { cwd: folder, stdio: 'inherit' }), 'tar')
}

function run(command, args, env) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  })
  return ended(child, args.join(' '))
}

function ended(child, name) {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${name} ended with ${code}.`))))
  })
}
