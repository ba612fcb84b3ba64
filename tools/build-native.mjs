// Builds what is native and runs its tests, or says why not, for the package works without CMake and a C++ compiler.
//
// With `host`, as `npm test` asks: only what needs neither CUDA nor TensorRT's libraries.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const host = process.argv[2] === 'host'

for (const [tool, name] of [
  ['cmake', 'CMake'],
  [process.env.CXX ?? 'c++', 'a C++ compiler'],
]) {
  if (spawnSync(tool, ['--version']).status !== 0) {
    console.warn(
      `The native addon is not built and its tests are skipped: ${name} (${tool}) is not installed.`,
    )
    process.exit(0)
  }
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) process.exit(status ?? 1)
}

run(process.execPath, [
  fileURLToPath(new URL('../node_modules/cmake-js/bin/cmake-js', import.meta.url)),
  'compile',
  '--log-level',
  'error',
  ...(host ? ['--target', 'host'] : []),
  ...(process.env.CI ? ['--CDCMAKE_COMPILE_WARNING_AS_ERROR=ON'] : []),
])
run('ctest', [
  ...['--test-dir', 'build', '--parallel', '2', '--output-on-failure', '--no-tests=error'],
  ...(host ? ['--label-regex', '^host$'] : []),
])
