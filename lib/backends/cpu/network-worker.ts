import { yieldToOthers } from '../../threads/background.js'
import { type Host, host } from '../../threads/host.js'
import { toWire } from '../../threads/wire-error.js'
import { CpuNetwork } from './network.js'
import type { Reply, Request, ThreadData } from './protocol.js'

/** A network's thread: loads, then answers one frame after another until asked to close. */

async function serve({ data, post, onMessage, close }: Host, reply: (message: Reply) => void): Promise<void> {
  const request = data as ThreadData
  const opened = await ('path' in request
    ? CpuNetwork.read(request, request.calls, (stage) => reply({ stage }))
    : CpuNetwork.openFurther(request, request.calls))
  if ('unavailable' in opened) {
    reply(opened)
    return
  }
  const { network, ready } = opened
  post({ ready } satisfies Reply, ready?.onnx ? [ready.onnx.buffer as ArrayBuffer] : [])
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

yieldToOthers()
const caller = await host()
const reply = (message: Reply) => caller.post(message)
serve(caller, reply).catch((error) => reply({ failed: toWire(error) }))
