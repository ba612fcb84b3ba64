// Detects in 50 images of 42 megapixels at once and prints the process's most memory.
//
// Run by `npm run bench:pending`, with the bound of bytes in flight by default and without.
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import sharp from 'sharp'
import { EfficientDet } from '#lib/index.js'

const bound = process.argv[2] === undefined ? {} : { maxPendingBytes: Number(process.argv[2]) }
const [width, height] = [7952, 5304]
const file = await sharp('models/person/person.jpg').resize(width, height, { fit: 'fill' }).jpeg().toBuffer()

const detector = await EfficientDet.load('person', { backend: 'cpu', ...bound })
const start = performance.now()
const results = await Promise.all(Array.from({ length: 50 }, () => detector.detect(file)))
const seconds = (performance.now() - start) / 1000
const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1e6
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
)
console.log(
  `${results.length} images of ${width}×${height} at once, maxPendingBytes ${bound.maxPendingBytes ?? 'by default'}: at most ${peak.toFixed(2)} GB resident, ${seconds.toFixed(1)} s`,
)
await detector.dispose()
