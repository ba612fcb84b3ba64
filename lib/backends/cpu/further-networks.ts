import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EfficientDetError } from '../../base/errors.js'
import { freeAddressSpace } from '../../engines/free-memory.js'
import { unavailableError } from '../unavailable.js'
import type { Sharing } from './cores.js'
import { NetworkThread } from './network-thread.js'
import type { FurtherNetwork, Ready } from './protocol.js'

/** Address space that a thread may reserve, without which V8 ends the process: heap, code, arenas, stacks. */
const THREAD_ADDRESSES = 2 ** 30

/**
 * Opens the networks that share the cores.
 *
 * onnxruntime writes the first, optimised, into a file whose weights all map: copies would take more memory than the
 * rest of a small network.
 *
 * @returns all, or none
 * @throws EfficientDetError that tells why
 */
export async function openFurtherNetworks(
  { spec, inputSize }: Pick<Ready, 'spec' | 'inputSize'>,
  onnx: Uint8Array,
  { networks, threads }: Sharing,
): Promise<NetworkThread[]> {
  const free = await freeAddressSpace()
  if (free < networks * THREAD_ADDRESSES) {
    throw new EfficientDetError(
      'ERR_OUT_OF_MEMORY',
      `${networks} more threads need ${networks} GiB of address space, and ${(free / THREAD_ADDRESSES).toFixed(1)} GiB are left (ulimit -v).`,
    )
  }
  const folder = await temporaryFolder()
  const removeAtExit = () => folder && rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeAtExit)
  const optimised = folder && join(folder, 'network.ort')
  const request = { spec, inputSize, threads }
  const opened: NetworkThread[] = []
  try {
    opened.push(await open({ ...request, network: onnx, optimised }))
    const network = optimised ?? onnx
    const others = Array.from({ length: networks - 1 }, async () => {
      opened.push(await open({ ...request, network, optimised: null }))
    })
    const failed = (await Promise.allSettled(others)).find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return opened
  } catch (error) {
    await Promise.all(opened.map((thread) => thread.close()))
    throw error
  } finally {
    process.off('exit', removeAtExit)
    // Mappings outlive their file.
    if (folder !== null) await rm(folder, { recursive: true, force: true })
  }
}

async function open(request: FurtherNetwork): Promise<NetworkThread> {
  const opening = await NetworkThread.open(request, { signal: undefined, onStage: () => {} })
  if ('unavailable' in opening) throw unavailableError('cpu', opening.unavailable)
  return opening.thread
}

/** Null where there can be none, or none whose files may be removed while they are mapped, as on Windows. */
async function temporaryFolder(): Promise<string | null> {
  return process.platform === 'win32' ? null : mkdtemp(join(tmpdir(), 'efficientdet-')).catch(() => null)
}
