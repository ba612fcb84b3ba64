// Writes what ptxas tells of the CUDA kernels into docs/kernels.md: registers, shared memory and spills, for every
// architecture.
//
// Fails if any kernel spills. Needs nvcc (npm run setup:cuda), no GPU.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NVCC_FLAGS, nvcc } from './nvcc.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = ['preprocess', 'detections']
/** Turing to Blackwell; 87 is Orin and 110 Thor. */
const ARCHITECTURES = [75, 80, 86, 87, 89, 90, 100, 110, 120]
const FLAGS = [...NVCC_FLAGS, '-I', join(root, 'native/include')]

if (nvcc === undefined) {
  console.error('ptxas-report: no nvcc is installed; `npm run setup:cuda` brings one.')
  process.exit(1)
}

const source = (name) => join(root, 'native/cuda', `${name}.cu`)

/** Such as "PreprocessAntialiased<__half>", from "void (anonymous namespace)::PreprocessAntialiased<__half>(…)". */
function shortName(mangled) {
  const name = execFileSync('c++filt', [mangled], { encoding: 'utf8' }).trim()
  return name
    .replace(/\(anonymous namespace\)::/g, '')
    .replace(/^void /, '')
    .replace(/\(.*$/, '')
}

/** What ptxas tells of each kernel of a source. */
function kernelsOf(name, architecture, folder) {
  const output = join(folder, 'kernels.o')
  const { status, stderr } = spawnSync(
    nvcc,
    [...FLAGS, `-arch=sm_${architecture}`, '-Xptxas', '-v', '-c', source(name), '-o', output],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
  const pattern =
    /Compiling entry function '(\S+)'[\s\S]*?(\d+) bytes spill stores, (\d+) bytes spill loads[\s\S]*?Used (\d+) registers.*/g
  return [...stderr.matchAll(pattern)].map(([text, mangled, stores, loads, registers]) => ({
    name: shortName(mangled),
    registers: Number(registers),
    shared: Number(/(\d+) bytes smem/.exec(text)?.[1] ?? 0),
    spills: Number(stores) + Number(loads),
  }))
}

const folder = mkdtempSync(join(tmpdir(), 'ptxas-'))
try {
  const byKernel = new Map()
  for (const architecture of ARCHITECTURES) {
    for (const name of SOURCES) {
      for (const kernel of kernelsOf(name, architecture, folder)) {
        byKernel.set(kernel.name, [...(byKernel.get(kernel.name) ?? []), kernel])
      }
    }
  }
  const library = join(folder, 'kernels.so')
  const targets = ARCHITECTURES.map((a) => `-gencode=arch=compute_${a},code=sm_${a}`)
  execFileSync(nvcc, [
    ...FLAGS,
    ...targets,
    `-gencode=arch=compute_${ARCHITECTURES.at(-1)},code=compute_${ARCHITECTURES.at(-1)}`,
    '--threads=2',
    '-shared',
    '-Xcompiler=-fPIC',
    '-cudart=none',
    ...SOURCES.map(source),
    '-o',
    library,
  ])
  execFileSync('strip', [library])
  const version = /V([\d.]+)/.exec(execFileSync(nvcc, ['--version'], { encoding: 'utf8' }))[1]
  const row = (cells) => `| ${cells.join(' | ')} |`
  const kernels = [...byKernel]
  const spilling = kernels.filter(([, all]) => all.some(({ spills }) => spills > 0))
  const lines = [
    '# What the compiler makes of the CUDA kernels',
    '',
    `Written by \`node tools/ptxas-report.mjs\` with nvcc ${version}. Registers per thread, by architecture:`,
    '',
    row(['kernel', ...ARCHITECTURES.map((a) => `sm_${a}`), 'shared memory', 'spills']),
    row(Array(ARCHITECTURES.length + 3).fill('---')),
    ...kernels.map(([name, all]) =>
      row([
        `\`${name}\``,
        ...all.map(({ registers }) => registers),
        `${Math.max(...all.map(({ shared }) => shared))} bytes`,
        `${Math.max(...all.map(({ spills }) => spills))} bytes`,
      ]),
    ),
    '',
    `All of them for these architectures, with PTX for later ones: ${Math.round(statSync(library).size / 1000)} kB,`,
    'without the CUDA runtime.',
    '',
    `${new Date().toISOString().slice(0, 10)}, Linux ${process.arch}, Node ${process.versions.node}.`,
    '',
  ]
  const report = lines.join('\n')
  console.log(report)
  writeFileSync(join(root, 'docs/kernels.md'), report)
  if (spilling.length > 0) {
    console.error(`ptxas-report: ${spilling.map(([name]) => name).join(', ')} spill registers.`)
    process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
}
