import { connect } from 'node:net'
import { onAbort } from '../threads/abort.js'

/**
 * Whether a server listens. Asking costs next to nothing, where each start of ffmpeg in vain takes a twentieth of a
 * second of a processor.
 *
 * @param limit milliseconds
 */
export function answersKnock(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
  limit: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const settle = (answers: boolean) => {
      stopListening()
      socket.destroy()
      resolve(answers)
    }
    const stopListening = onAbort(signal, () => settle(false))
    socket.setTimeout(limit, () => settle(false))
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}
