// Times the first frame of a camera on the loopback, from openVideo to the frame: node bench/first-frame.mjs [rounds].
// Needs Debian's GStreamer RTSP server, as the tests do.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { VERSION } from '#lib/index.js'
import { openVideo } from '#lib/video.js'
import { median } from './pairs.mjs'

const rounds = Number(process.argv[2] ?? 20)
const probe = createServer().listen(0, '127.0.0.1')
await once(probe, 'listening')
const { port } = probe.address()
probe.close()
const script = fileURLToPath(new URL('../test/video/rtsp-server.py', import.meta.url))
const server = spawn('/usr/bin/python3', [script, String(port), '640x360', '25'], {
  stdio: ['ignore', 'pipe', 'ignore'],
})
await once(server.stdout, 'data')

const times = []
for (let i = 0; i < rounds; i++) {
  const start = performance.now()
  const video = await openVideo(`rtsp://127.0.0.1:${port}/live`)
  await video.next()
  times.push(performance.now() - start)
  await video.close()
}
server.kill('SIGKILL')
console.log(
  `efficientdet-trt ${VERSION}, Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model}`,
)
console.log(`${new Date().toISOString().slice(0, 10)}, load of the machine ${loadavg()[0].toFixed(1)}`)
console.log(
  `first frame of RTSP on the loopback: ${median(times).toFixed(0)} ms (median of ${rounds}), ${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)} ms`,
)
