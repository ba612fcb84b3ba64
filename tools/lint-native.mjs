// Checks native/ with clang-format and, in CI or with `all`, with clang-tidy, which takes a minute. Part of `npm run
// lint`.
//
// Says so where they are not installed, which fails in CI. What passed is not checked again until a file changes.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = join(root, '.cache/tidy')
const stamp = join(build, 'passed')

const all = Boolean(process.env.CI) || process.argv[2] === 'all'
const missing = (all ? ['clang-format', 'clang-tidy', 'cmake'] : ['clang-format']).filter(
  (tool) => spawnSync(tool, ['--version']).status !== 0,
)
if (missing.length > 0) {
  console.warn(`native/ is not linted: ${missing.join(', ')} not installed.`)
  process.exit(process.env.CI ? 1 : 0)
}

const files = readdirSync(join(root, 'native'), { recursive: true })
  .map((name) => join(root, 'native', name))
  .filter((name) => /\.(cc|cu|h)$/.test(name))

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) process.exit(status ?? 1)
}

run('clang-format', ['--dry-run', '--Werror', ...files])
if (!all) process.exit(0)

const settings = ['.clang-format', '.clang-tidy', 'CMakeLists.txt'].map((name) => join(root, name))
const hash = createHash('sha256').update(execFileSync('clang-tidy', ['--version']))
for (const name of [...settings, ...files.sort()]) hash.update(name).update(readFileSync(name))
const digest = hash.digest('hex')
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) process.exit(0)

// Without CUDA's compiler: the backend's sources are checked over the stand-ins for CUDA.
run('cmake', ['-S', '.', '-B', build, '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON', '-DEFFICIENTDET_NVCC=OFF'])
const commands = JSON.parse(readFileSync(join(build, 'compile_commands.json'), 'utf8'))
const sources = commands
  .map(({ file }) => file)
  .filter((file) => files.includes(file) && file.endsWith('.cc'))
const waiting = [...new Set(sources)]
for (const family of ['tensorrt', 'rtx']) {
  if (!commands.some(({ command }) => command.includes(`${family}_stand_in`))) continue
  run('cmake', ['--build', build, '--target', `${family}_unimplemented`])
}

/** @returns whether it is clean */
function tidy(file) {
  return new Promise((resolve) => {
    const child = spawn('clang-tidy', ['-p', build, '--quiet', file], { stdio: ['ignore', 'pipe', 'ignore'] })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.on('close', (code) => {
      if (code !== 0) console.error(output)
      resolve(code === 0)
    })
  })
}

let clean = true
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      clean = (await tidy(file)) && clean
    }
  }),
)
if (!clean) process.exit(1)
writeFileSync(stamp, digest)
