// What the programs of this folder share: an engine of the fake backend without a detector around it, and frames.
import { loadAddon } from '../../../dist/binding/addon.js'

const path =
  process.env.FAKE_LIBRARY ??
  new URL('../../../build/Release/libefficientdet_fake.so', import.meta.url).pathname
const data = new Uint8Array(64 * 64 * 3)
const planes = Uint32Array.of(0, 64 * 3)
let id = 0

export function load() {
  const addon = loadAddon()
  const model = {
    inputHeight: 64,
    inputWidth: 64,
    classes: 1,
    anchors: new Float32Array(4),
    normalisation: new Float32Array(9),
    resize: 0,
  }
  const options = { maxBatchSize: 8, maxBatchDelay: 1000, maxPending: 100 }
  return addon.loadEngine(addon.openLibrary(path), Buffer.from('plan'), model, options)
}

/** One call with a small frame. */
export function frame(engine) {
  return engine.submit(++id, data, planes, 0, 64, 64, 0.4, 0.5, 100, 5000, false, undefined)
}

/** Calls that nobody waits for. */
export function fire(engine, count) {
  for (let i = 0; i < count; i++) frame(engine)
}
