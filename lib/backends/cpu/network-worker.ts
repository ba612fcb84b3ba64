import { type Host, host } from '../../threads/host.js'
import { toWire } from '../../threads/wire-error.js'
import { CpuNetwork } from './network.js'
import type { Reply, Request, ThreadData } from './protocol.js'

/** The engine's thread: loads, then answers one frame after another until asked to close. */

async function serve({ data, onMessage, close }: Host, reply: (message: Reply) => void): Promise<void> {
  const network = await CpuNetwork.open(data as ThreadData, (stage) => reply({ stage }))
  if ('unavailable' in network) {
    reply(network)
    return
  }
  reply({ ready: network.ready })
  onMessage(async (message) => {
    const request = message as Request
    if (request === 'close') {
      await network.close()
      close()
      return
    }
    try {
      const result = await network.detect(request.frame, request.parameters)
      reply({ result })
    } catch (error) {
      reply({ failed: toWire(error) })
    }
  })
}

const caller = await host()
const reply = (message: Reply) => caller.post(message)
serve(caller, reply).catch((error) => reply({ failed: toWire(error) }))
