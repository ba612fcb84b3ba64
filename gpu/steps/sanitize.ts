// Runs small requests under each of compute-sanitizer's tools.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { RECORDS, readRecords } from './records.js'
import { check, DEVICE_FOLDER, skip } from './step.js'

const TOOLS = ['memcheck', 'racecheck', 'initcheck', 'synccheck']
/** Requests of each test's file, the smallest: tools slow kernels down a hundredfold and more. */
const REQUESTS = 4

const sanitizer = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/cuda/bin']
  .map((folder) => join(folder, 'compute-sanitizer'))
  .find((path) => existsSync(path))
if (sanitizer === undefined) skip('there is no compute-sanitizer')

const bySize = [...readRecords()].sort((a, b) => a.requestBytes - b.requestBytes)
const small = [...new Set(bySize.map(({ test }) => test))].flatMap((test) =>
  bySize.filter((record) => record.test === test).slice(0, REQUESTS),
)
const requests = Buffer.concat(
  await Promise.all(small.map(({ request }) => readFile(join(RECORDS, request)))),
)
await Promise.all(TOOLS.map(run))

async function run(tool: string): Promise<void> {
  const log = join(tmpdir(), `gpu-kit-${process.pid}-${tool}.log`)
  const started = performance.now()
  const child = spawn(
    sanitizer!,
    ['--tool', tool, '--error-exitcode', '9', '--log-file', log, join(DEVICE_FOLDER, 'cuda_kernels')],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  )
  child.stdin.on('error', () => {})
  child.stdin.end(requests)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  check(code === 0, {
    tool,
    requests: small.length,
    seconds: Math.round((performance.now() - started) / 1000),
    summary: lines.at(-1) ?? null,
    ...(code !== 0 && { code, lines: lines.slice(0, 40) }),
  })
}
