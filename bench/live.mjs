// Tells what many live streams cost the event loop: node bench/live.mjs STREAMS FPS SECONDS [detect].
//
// Cameras are commands that make pictures of 768×432 at the pace of a clock. With `detect`, `person` looks at each
// frame, and one decoder after the other is killed.
import { execFileSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { EfficientDet, VERSION } from '#lib/index.js'
import { analyse, openVideo } from '#lib/video.js'

const [count, fps, seconds] = process.argv.slice(2, 5).map(Number)
const detects = process.argv[5] === 'detect'
const size = { width: 768, height: 432 }

/** A camera: ffmpeg's own test picture, frame by frame as time goes. */
function camera(i) {
  const picture = `testsrc2=size=${size.width}x${size.height}:rate=${fps}`
  const args = ['-v', 'error', '-re', '-f', 'lavfi', '-i', `${picture},hue=h=${40 * i}`]
  const command = ['ffmpeg', ...args, '-f', 'rawvideo', '-pix_fmt', 'nv12', '-']
  return { source: { command, format: 'nv12', ...size }, name: `camera ${i + 1}`, live: true }
}

/** Files, memory and programs of this process. */
async function held() {
  const { readdirSync } = await import('node:fs')
  const listed = execFileSync('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)], { encoding: 'utf8' })
  const programs = listed.split('\n').flatMap((line) => {
    const [pid, name, state] = line.trim().split(/ +/)
    return name === 'ffmpeg' ? [{ pid: Number(pid), zombie: state === '<defunct>' }] : []
  })
  return {
    files: readdirSync('/proc/self/fd').length,
    megabytes: Math.round(process.memoryUsage.rss() / 2 ** 20),
    programs,
    zombies: programs.filter(({ zombie }) => zombie).length,
  }
}

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
await sleep(5000)
delay.disable()
const idle = delay.percentile(99) / 1e6 - 1
delay.reset()
const controller = new AbortController()
let newest = null
let work
const streams = Array.from({ length: count }, (_, i) => camera(i))
if (detects) {
  const detector = await EfficientDet.load('person')
  const options = { streams, detector, onStats: (stats) => (newest = stats), signal: controller.signal }
  work = analyse(options)
    .catch(() => {})
    .then(() => detector.dispose())
} else {
  const totals = { frames: 0 }
  work = Promise.all(
    streams.map(async ({ source, live }) => {
      for await (const { context } of await openVideo(source, { live, signal: controller.signal })) {
        totals.frames++
        context.release()
      }
    }),
  ).catch(() => {})
  newest = totals
}
await sleep(5000)
delay.enable()
const samples = []
let kills = 0
const start = performance.now()
const used = process.cpuUsage()
while (performance.now() - start < 1000 * seconds) {
  await sleep(Math.min(15_000, 1000 * seconds))
  const now = await held()
  samples.push(now)
  if (detects && now.programs.length > 0)
    process.kill(now.programs[kills++ % now.programs.length].pid, 'SIGKILL')
}
const cpu = process.cpuUsage(used)
delay.disable()
controller.abort()
await work

console.log(
  `efficientdet-trt ${VERSION}, Node ${process.versions.node}, ${cpus().length} × ${cpus()[0].model}`,
)
console.log(`${new Date().toISOString().slice(0, 10)}, load of the machine ${loadavg()[0].toFixed(1)}`)
console.log(
  `${count} live streams of 768×432 at ${fps} fps${detects ? ', each frame looked at by person' : ''}, ${seconds} s`,
)
console.log(
  `event loop of this process before, with nothing to do: p99 ${idle.toFixed(2)} ms beyond the timer's 1 ms`,
)
const milliseconds = (fraction) => (delay.percentile(100 * fraction) / 1e6 - 1).toFixed(2)
console.log(
  `event loop meanwhile: p50 ${milliseconds(0.5)} ms, p99 ${milliseconds(0.99)} ms, p99.9 ${milliseconds(0.999)} ms`,
)
console.log(
  `this process took ${((cpu.user + cpu.system) / 1e4 / seconds).toFixed(1)} % of a processor, ffmpeg not counted`,
)
const told = (name) =>
  [samples[0], ...samples.slice(1).filter((_, i) => i % 8 === 7), samples.at(-1)]
    .map((each) => each[name])
    .join(', ')
console.log(`files ${told('files')}; memory in MiB ${told('megabytes')}; zombies ${told('zombies')}`)
if (detects) {
  console.log(`${kills} decoders killed`)
  for (const { name, frames, fps, latency, dropped, reconnections } of newest.streams) {
    console.log(
      `${name}: ${frames} frames, ${fps.toFixed(1)} fps, latency p50 ${latency.p50.toFixed(0)} ms, p99 ${latency.p99.toFixed(0)} ms, ${dropped} dropped, ${reconnections} reconnections`,
    )
  }
} else {
  console.log(`${newest.frames} frames`)
}
