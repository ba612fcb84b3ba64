// Gives up a backend that hangs, and runs off its end: nothing may keep the process.
import { fileURLToPath } from 'node:url'
import { EfficientDet } from '../../../dist/index.js'

const detector = await EfficientDet.load('person', {
  backend: 'tensorrt',
  backendLibrary: fileURLToPath(new URL('../../../build/Release/libefficientdet_fake.so', import.meta.url)),
  inputSize: 64,
  inferenceDeadline: 200,
  engine: { selfTest: false },
})
const frame = { data: new Uint8Array(64), format: 'grey', width: 8, height: 8 }
await detector.detect(frame).catch(({ code }) => console.log(code))
await detector.dispose()
console.log('disposed')
