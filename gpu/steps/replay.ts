// Sends the kernels' program what tests sent it, and compares its answers byte for byte.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type KernelRecord, RECORDS, readRecords } from './records.js'
import { check, DEVICE_FOLDER, IS_DRY, inParallel, tell } from './step.js'

/** float64's exp may differ in its last bit between a CPU and a GPU, and so a float32 of what comes from it. */
const INEXACT = 'kernels-detections'
const ULPS = 1

const records = readRecords()
let equal = 0
await inParallel(records, IS_DRY ? 2 : 8, async (record) => {
  const { code, answer } = await answerOf(record)
  const told = { test: record.test, request: record.request, bytes: record.requestBytes }
  if (code !== 0) return check(false, { ...told, message: `cuda_kernels ended with ${code}` })
  if (createHash('sha256').update(answer).digest('hex') === record.sha256) {
    equal++
    return
  }
  check(...(await compare(record, answer, told)))
})
tell({ requests: records.length, equal })
if (equal === 0) process.exitCode = 1

async function answerOf({ request }: KernelRecord) {
  const child = spawn(join(DEVICE_FOLDER, 'cuda_kernels'), { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  // A program that fails closes its end; its exit code tells of it.
  child.stdin.on('error', () => {})
  createReadStream(join(RECORDS, request)).pipe(child.stdin)
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout) chunks.push(chunk)
  return { code: await ended, answer: Buffer.concat(chunks) }
}

async function compare(
  { test, answer: file, answerBytes }: KernelRecord,
  answer: Buffer,
  told: object,
): Promise<[passed: boolean, result: object]> {
  if (answer.length !== answerBytes) {
    return [false, { ...told, message: `${answer.length} bytes instead of ${answerBytes}` }]
  }
  if (file === null) return [false, { ...told, message: 'the answer is another' }]
  const expected = await readFile(join(RECORDS, file))
  let words = 0
  let ulps = 0
  for (let at = 0; at + 4 <= answer.length; at += 4) {
    const distance = Math.abs(ordered(answer.readInt32LE(at)) - ordered(expected.readInt32LE(at)))
    if (distance > 0) words++
    ulps = Math.max(ulps, distance)
  }
  return [test === INEXACT && ulps <= ULPS, { ...told, words: answer.length / 4, different: words, ulps }]
}

/** Bits of float32 as whole numbers in the order of their values. */
function ordered(bits: number): number {
  return bits < 0 ? -(bits & 0x7fffffff) : bits
}
