// Runs the CUDA kernels' tests (test/native/kernels-*.test.ts) on the GPU here, plainly and under compute-sanitizer,
// and writes to bench/results which passed.
//
// Says why where there is no GPU. Part of `npm run test:gpu`.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gpuMachine, writeResults } from '../../bench/gpu-machine.mjs'
import { NVCC_FLAGS, nvcc } from '../../tools/nvcc.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = `${root}.cache/cuda_kernels`

/** The sanitizers get the small cases only: they slow kernels down a hundredfold and more. */
const RUNS = [
  { check: 'kernels equal the reference', command: [program], cases: '' },
  ...['memcheck', 'initcheck', 'racecheck', 'synccheck'].map((tool) => ({
    check: `kernels under compute-sanitizer's ${tool}`,
    command: [
      'compute-sanitizer',
      '--tool',
      tool,
      '--error-exitcode',
      '9',
      '--log-file',
      `${program}.log`,
      program,
    ],
    cases: 'even and odd sizes|classes|all equal|noticed',
  })),
]

const machine = await gpuMachine()
if (machine !== null) {
  if (nvcc === undefined) {
    console.error('The kernels are not tested: no nvcc is installed; `npm run setup:cuda` brings one.')
    process.exit(1)
  }
  mkdirSync(`${root}.cache`, { recursive: true })
  const sources = ['cuda/preprocess.cu', 'cuda/detections.cu', 'test/cuda_kernels.cc']
  const folders = ['include', 'cuda'].map((folder) => `-I${root}native/${folder}`)
  execFileSync(
    nvcc,
    [
      ...NVCC_FLAGS,
      '-arch=native',
      ...folders,
      ...sources.map((name) => `${root}native/${name}`),
      '-o',
      program,
    ],
    { stdio: 'inherit' },
  )
  const results = RUNS.map(({ check, command, cases }) => {
    const { status } = spawnSync(
      process.execPath,
      [
        `${root}node_modules/vitest/vitest.mjs`,
        'run',
        '--config',
        'test/vitest.config.ts',
        'test/native/kernels-',
        '--testTimeout=600000',
        ...(cases === '' ? [] : ['-t', cases]),
      ],
      {
        cwd: root,
        stdio: 'inherit',
        env: { ...process.env, EFFICIENTDET_CUDA_KERNELS: command.join(' ') },
      },
    )
    return { check, passed: status === 0 }
  })
  for (const result of results) console.log(JSON.stringify(result))
  await writeResults('gpu-kernels', machine, results)
  if (results.some(({ passed }) => !passed)) process.exitCode = 1
}
