import { parentPort, workerData } from 'node:worker_threads'
import { toWire } from '../../threads/wire-error.js'
import { CpuNetwork } from './network.js'
import type { Reply, Request, ThreadData } from './protocol.js'

/** The engine's thread: loads, then answers one frame after another until told to close. */

const port = parentPort!

function reply(message: Reply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

async function serve(): Promise<void> {
  const network = await CpuNetwork.open(workerData as ThreadData, (stage) => reply({ stage }))
  reply({ ready: network.ready })
  port.on('message', async (request: Request) => {
    if (request === 'close') {
      await network.close()
      port.close()
      return
    }
    try {
      const result = await network.detect(request.frame, request.selection)
      reply({ result })
    } catch (error) {
      reply({ failed: toWire(error) })
    }
  })
}

serve().catch((error) => reply({ failed: toWire(error) }))
