// What the programs of this folder share: an engine of the fake backend without a detector around it, and frames.
import { loadAddon } from '../../../dist/backends/tensorrt/addon.js'

const path =
  process.env.FAKE_LIBRARY ??
  new URL('../../../build/Release/libefficientdet_fake.so', import.meta.url).pathname
const data = new Uint8Array(64 * 64 * 3)
const planes = Uint32Array.of(0, 64 * 3)
let id = 0

const addon = loadAddon()
const library = addon.openLibrary(path)
const thresholds = Float32Array.of(0.4)

export async function load(contexts = 1) {
  const model = {
    inputHeight: 64,
    inputWidth: 64,
    classes: 1,
    anchors: new Float32Array(4),
    normalisation: new Float32Array(9),
    resize: 0,
  }
  const options = { device: 0, contexts, maxBatchSize: 8, maxBatchDelay: 1000, maxPending: 100 }
  const cancel = new Int32Array(new SharedArrayBuffer(4))
  const { engine } = await addon.loadEngine(library, Buffer.from('plan'), model, options, cancel)
  return engine
}

/** Builds an engine, which the fake backend takes as long for as it is told. */
export function build(onProgress) {
  const options = {
    maxBatchSize: 8,
    device: 0,
    targets: new Uint32Array(),
    workspaceBytes: 0,
    optimisationLevel: -1,
    tf32: true,
    versionCompatible: false,
    hardwareCompatible: false,
    timingCache: null,
  }
  const cancel = new Int32Array(new SharedArrayBuffer(4))
  return addon.build(library, Buffer.from('onnx'), options, cancel, onProgress)
}

/** One call with a small frame. */
export function frame(engine) {
  return engine.submit(++id, data, planes, 0, 0, 0, 64, 64, 0, null, thresholds, 0.5, 100, 5000, false)
}

/** Calls that nobody waits for. */
export function fire(engine, count) {
  for (let i = 0; i < count; i++) frame(engine)
}
