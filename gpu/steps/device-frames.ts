// Frames that another library leaves in the device's memory: PyTorch's tensors, opened in this process, with an event
// after which they are complete.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { DetectionResult, Frame } from '#lib/index.js'
import { temporaryFolder } from '../../test/helpers/temporary-folder.js'
import { differenceOf, known, loadKnown, OPTIONS } from './known-detector.js'
import { check, DEVICE_FOLDER, IS_DRY, PROJECT, PYTHON, skip } from './step.js'

if (IS_DRY) skip('only a real device shares its memory with another process')
if (PYTHON === undefined) skip('Python has no torch')

const KINDS = 7
const ROUNDS = 50

interface SharedMemory {
  open(handle: Uint8Array): bigint
  openEvent(handle: Uint8Array): bigint
  close(address: bigint): void
}
const shared: SharedMemory = createRequire(import.meta.url)(join(DEVICE_FOLDER, 'shared_memory.node'))

const answers = await known(KINDS, 128, 8)
const detector = await loadKnown(answers)
const folder = await temporaryFolder()
const faults: string[] = []
// One after another: the first call of each comes while it is being written.
const opened = []
for (const [i, frame] of answers.frames.entries()) {
  const one = await open(frame, i)
  opened.push(one)
  note(await detector.detect(one.frame, OPTIONS), i)
}
for (let round = 0; round < ROUNDS; round++) {
  const results = await Promise.all(opened.map(({ frame }) => detector.detect(frame, OPTIONS)))
  for (const [i, result] of results.entries()) note(result, i)
}
await detector.dispose()
for (const { close } of opened) await close()
check(faults.length === 0, {
  formats: answers.frames.map(({ format }) => format),
  frames: KINDS * (1 + ROUNDS),
  faults: faults.length,
  first: faults[0] ?? null,
})

function note(result: DetectionResult, i: number): void {
  const fault = differenceOf(result, answers.references[i])
  if (fault !== null) faults.push(fault)
}

/** A frame's copy in a tensor, in a process of its own. */
async function open({ data, ...layout }: Frame, i: number) {
  const file = join(folder, String(i))
  await writeFile(file, data)
  const child = spawn(PYTHON!, [join(PROJECT, 'gpu', 'shared_frame.py'), file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended])
  if (typeof line !== 'string') throw new Error(`PyTorch's process ended with ${line}`)
  const { memory, event, offset } = JSON.parse(line)
  const address = shared.open(Buffer.from(memory, 'hex'))
  const frame = {
    ...layout,
    devicePointer: address + BigInt(offset),
    byteLength: data.length,
    device: 0,
    event: shared.openEvent(Buffer.from(event, 'hex')),
  }
  const close = async () => {
    shared.close(address)
    child.stdin.end()
    await ended
  }
  return { frame, close }
}
