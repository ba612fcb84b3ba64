// Writes what ptxas tells of the kernels into docs/kernels.md: registers, shared memory and spills; and of their
// machine code, where float64 is used and what a load brings.
//
// Fails if any kernel spills, has float64 outside of functions called for it, or scans heads by less than 16 bytes.
//
// Needs nvcc and nvdisasm (tools/setup-cuda.sh cuda nvdisasm), no GPU.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NVCC_FLAGS, nvcc, nvdisasm } from './nvcc.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = ['preprocess', 'detections']
/** Turing to Blackwell; 87 is Orin and 110 Thor. */
const ARCHITECTURES = [75, 80, 86, 87, 89, 90, 100, 110, 120]
/** Architectures whose machine code is looked at: Orin and Hopper. */
const DISASSEMBLED = [87, 90]
/** Kernels that go over lines and not over pixels, which may use float64 as they like. */
const MAY_USE_FLOAT64 = ['PrepareLines']
const FLAGS = [...NVCC_FLAGS, '-I', join(root, 'native/include')]

if (nvcc === undefined || nvdisasm === undefined) {
  console.error(
    'ptxas-report: no nvcc or nvdisasm is installed; `tools/setup-cuda.sh cuda nvdisasm` brings them.',
  )
  process.exit(1)
}

const source = (name) => join(root, 'native/cuda', `${name}.cu`)

/** Such as "PreprocessAntialiased<__half>", from "void (anonymous namespace)::PreprocessAntialiased<__half>(…)". */
function shortName(mangled) {
  const name = execFileSync('c++filt', [mangled], { encoding: 'utf8' }).trim()
  return name
    .replace(/\(anonymous namespace\)::/g, '')
    .replace(/^void /, '')
    .replace(/\(HeadType\)(\d)/, (_, type) => ['float32', 'float16', 'bfloat16'][type])
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

const FLOAT64 = /^(D(ADD|MUL|FMA|SETP|MNMX)|(F2F|F2I|I2F|FRND)[.\w]*\.F64|MUFU\.\w+64H)\b/

/** Facts of each kernel's machine code. Functions that a kernel calls stand in its section, after labels of theirs. */
function codeOf(name, architecture, folder) {
  const cubin = join(folder, 'kernels.cubin')
  execFileSync(nvcc, [...FLAGS, `-arch=sm_${architecture}`, '-cubin', source(name), '-o', cubin])
  const text = execFileSync(nvdisasm, ['-c', cubin], { encoding: 'utf8', maxBuffer: 1e9 })
  return text
    .split(/^\t\.section\t\.text\./m)
    .slice(1)
    .map((section) => {
      const [kernel] = /^[^,]+/.exec(section)
      const facts = { name: shortName(kernel), float64: 0, called: new Map(), local: 0, loads: {} }
      let called = null
      for (const line of section.split('\n')) {
        // Such as "$KERNEL$FUNCTION:"; branches go to labels that begin with a dot.
        const label = /^\$(?:.*\$)?(\S+):$/.exec(line)
        if (label !== null) called = shortName(label[1]).replace(/^.*::/, '')
        const instruction = /^\s+\/\*[0-9a-f]+\*\/\s+(?:@!?U?P\d+ )?(\S+)/.exec(line)?.[1]
        if (instruction === undefined) continue
        if (/^(STL|LDL)/.test(instruction)) facts.local++
        const load = /^LDG[.\w]*/.test(instruction) && (/\.(64|128)\b/.exec(instruction)?.[1] ?? '32')
        if (load && called === null) facts.loads[load] = (facts.loads[load] ?? 0) + 1
        if (!FLOAT64.test(instruction)) continue
        if (called === null) facts.float64++
        else facts.called.set(called, (facts.called.get(called) ?? 0) + 1)
      }
      return facts
    })
}

/** What is wrong with a kernel's machine code. */
function faultsOf({ name, float64, local, loads }) {
  const faults = []
  if (float64 > 0 && !MAY_USE_FLOAT64.includes(name)) faults.push(`${name} uses float64`)
  if (local > 0) faults.push(`${name} keeps registers in memory`)
  if (/^(Scan|Collect)/.test(name) && !(loads[128] > 0)) faults.push(`${name} has no loads of 16 bytes`)
  return faults
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
  const codes = DISASSEMBLED.map((architecture) => ({
    architecture,
    kernels: SOURCES.flatMap((name) => codeOf(name, architecture, folder)),
  }))
  const faults = codes.flatMap(({ kernels }) => kernels.flatMap(faultsOf))
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
    '## Machine code',
    '',
    'Instructions of float64 (conversions included) in the kernel itself, and in functions that it calls where float32',
    'might decide otherwise, or for single lines and candidates; loads and stores of spilled registers; loads from',
    'memory by their bytes a thread. As nvdisasm shows them:',
    '',
    row(['kernel', 'for', 'float64', 'float64 in calls', 'spills', '16-byte loads', '8-byte', 'others']),
    row(Array(8).fill('---')),
    ...codes.flatMap(({ architecture, kernels: all }) =>
      all.map(({ name, float64, called, local, loads }) =>
        row([
          `\`${name}\``,
          `sm_${architecture}`,
          float64,
          [...called].map(([part, count]) => `${part} ${count}`).join(', '),
          local,
          loads[128] ?? 0,
          loads[64] ?? 0,
          loads[32] ?? 0,
        ]),
      ),
    ),
    '',
    `${new Date().toISOString().slice(0, 10)}, Linux ${process.arch}, Node ${process.versions.node}.`,
    '',
  ]
  const report = lines.join('\n')
  console.log(report)
  writeFileSync(join(root, 'docs/kernels.md'), report)
  if (faults.length > 0) {
    console.error(`ptxas-report: ${faults.join('; ')}.`)
    process.exitCode = 1
  }
  if (spilling.length > 0) {
    console.error(`ptxas-report: ${spilling.map(([name]) => name).join(', ')} spill registers.`)
    process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
}
