import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ROOT } from './cli.js'

/** Debian's own, which its packages are for. */
const PYTHON = '/usr/bin/python3'

const NEEDED = `import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import Gst, GstRtspServer
Gst.init(None); assert Gst.ElementFactory.find("x264enc") and Gst.ElementFactory.find("rtph264pay")`

/** Whether Debian's GStreamer RTSP server is installed, which stands in for cameras. */
export const hasRtspServer = spawnSync(PYTHON, ['-c', NEEDED]).status === 0

if (!hasRtspServer) {
  console.warn(
    'Tests of cameras are skipped: GStreamer has no RTSP server here (gir1.2-gst-rtsp-server-1.0, python3-gi and GStreamer plugins).',
  )
}

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A camera that can be killed, frozen and started again at the same address. */
export class Camera {
  readonly url: string
  readonly #args: readonly string[]
  #process: ChildProcess | null = null

  private constructor(port: number, size: string, rate: number) {
    this.url = `rtsp://user:secret@127.0.0.1:${port}/live`
    this.#args = [join(ROOT, 'test', 'video', 'rtsp-server.py'), String(port), size, String(rate)]
  }

  static async start(size = '64x48', rate = 25): Promise<Camera> {
    const camera = new Camera(await freePort(), size, rate)
    await camera.start()
    onTestFinished(() => camera.kill())
    return camera
  }

  /** Starts it, and waits until it listens. */
  async start(): Promise<void> {
    this.#process = spawn(PYTHON, this.#args, { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(this.#process.stdout!, 'data')
  }

  async kill(): Promise<void> {
    const { exitCode, signalCode } = this.#process!
    if (exitCode !== null || signalCode !== null) return
    this.#process!.kill('SIGKILL')
    await once(this.#process!, 'exit')
  }

  freeze(): void {
    this.#process!.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process!.kill('SIGCONT')
  }
}
