// Runs some frames through the fake backend and tells on which machine.
import { RESULT_FACTS } from '../../../dist/backends/tensorrt/addon.js'
import { addonPath } from '../../../dist/base/addon-file.js'
import { frame, load } from './fake.mjs'

const engine = await load()
const results = await Promise.all(Array.from({ length: 20 }, () => frame(engine)))
await engine.close()
console.log(
  JSON.stringify({
    arch: process.arch,
    addon: addonPath(),
    boxes: results.map((result) => [...new Float32Array(result, 4 * RESULT_FACTS, 4)]),
  }),
)
