import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { engineGraphSettings } from '#lib/backends/tensorrt/build-graph.js'
import { paddedChannels } from '#lib/graph/head-outputs.js'
import { levelSizes } from '#lib/models/levels.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, variant } from '#lib/models/variants.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { graphOf, randomWeights } from '../helpers/networks.js'
import { hasRtx, RTX } from '../helpers/rtx.js'

const PROGRAM = join(dirname(RTX.backendLibrary), 'tensorrt_layers')
const BYTES: Readonly<Record<string, number>> = {
  Float: 4,
  Half: 2,
  BFloat16: 2,
  Int32: 4,
  Int64: 8,
  Bool: 1,
}

/** A kernel of an engine: `correlation` and `runtime_fusion` convolve, `kgen` does all else. */
interface Layer {
  readonly name: string
  readonly type: string
  /** What it reads and writes. */
  readonly tensors: readonly { readonly dims: readonly number[]; readonly type: string }[]
}

const bytesOf = ({ tensors }: Layer) =>
  tensors.reduce((sum, { dims, type }) => sum + dims.reduce((a, b) => a * b, 1) * BYTES[type], 0)

/** The layers that TensorRT-RTX makes of D0's graph for engines of one picture. */
async function layersOf(precision: 'fp16' | 'bf16' | 'fp32'): Promise<Layer[]> {
  const architecture = officialArchitecture(variant('d0'), 90)
  const settings = engineGraphSettings({ precision, maxBatchSize: 1 })
  const onnx = graphOf(architecture, randomWeights(architecture), {
    ...settings,
    inputSize: nativeInput(architecture.variant),
  })
  const model = join(await temporaryFolder(), 'd0.onnx')
  await writeFile(model, onnx)
  const { stdout } = await promisify(execFile)(PROGRAM, [RTX.libraryPath, model, '1'], { maxBuffer: 1e8 })
  return stdout
    .split('\n')
    .flatMap((line) => {
      const [, name, type, rest] = /^Name: (.*?), LayerType: (.*?), Inputs: (.*)/.exec(line) ?? []
      if (rest === undefined) return []
      const tensors = [...rest.matchAll(/Dimensions: \[([^\]]*)\][^}]*?Datatype: (\w+)/g)]
      return {
        name,
        type,
        tensors: tensors.map(([, dims, kind]) => ({ dims: dims.split(',').map(Number), type: kind })),
      }
    })
    .filter(({ type }) => type !== 'signal' && type !== 'wait')
}

describe.skipIf(!hasRtx || !existsSync(PROGRAM))("the kernels of D0's engine", () => {
  it.each([
    // float16's kernels were 284, of which two passed over the heads, and moved 337 MB.
    { precision: 'fp16', megabytes: 310 },
    { precision: 'bf16', megabytes: 320 },
    { precision: 'fp32', megabytes: 610 },
  ] as const)(
    'of $precision, move at most $megabytes MB and pass over no head again',
    async ({ precision, megabytes }) => {
      const layers = await layersOf(precision)
      const total = layers.reduce((sum, layer) => sum + bytesOf(layer), 0)
      console.log(
        `D0 ${precision}: ${layers.length} kernels, ${(total / 1e6).toFixed(1)} MB read and written`,
      )
      expect(total / 1e6).toBeGreaterThan(200)
      expect(total / 1e6).toBeLessThanOrEqual(megabytes)
      expect(layers.length).toBeLessThanOrEqual(305)

      const convolutions = layers.filter(({ name }) => name.includes('predict.conv_pw'))
      expect(convolutions.map(({ type }) => type)).toEqual(Array(10).fill('correlation'))
      const channels = [4, 90].map((values) => paddedChannels({ anchors: 9, values }, precision))
      const heads = channels.flatMap((count) =>
        levelSizes({ height: 512, width: 512 }, 7).map(
          ({ height, width }) => `1,${count},${height},${width}`,
        ),
      )
      // The backbone has maps of the size of the boxes' first level.
      const others = layers.filter(
        (layer) => !convolutions.includes(layer) && !layer.name.startsWith('backbone.'),
      )
      const passes = others.filter(({ tensors }) =>
        tensors.some(({ dims }) => heads.slice(1).includes(dims.join())),
      )
      expect(passes.map(({ name }) => name)).toEqual([])
    },
  )
})
