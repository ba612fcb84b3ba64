import { DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { preprocessingOf } from '#lib/models/preprocessing.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { toMetadata } from '#lib/weights/metadata.js'
import { writeSafetensors } from '#lib/weights/safetensors/writer.js'

/** Seeded weights by name, which keep activations finite; what they find is nothing. */
export function randomWeights(architecture) {
  let state = 1
  // A linear congruential generator with Numerical Recipes' constants.
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  }
  const { tensors } = inventory(architecture, nativeInput(architecture.variant))
  return new Map(
    Array.from(tensors, ([name, shape]) => {
      const length = shape.reduce((product, n) => product * n, 1)
      const scale = shape.length === 4 ? Math.sqrt((6 * shape[0]) / length) : 0.1
      const centre = /running_var$|bn\d?\.weight$|bn_rep.*weight$|edge_weights$/.test(name) ? 1 : 0
      return [name, Float32Array.from({ length }, () => centre + scale * random())]
    }),
  )
}

/** Writes a weights file of a size that needs no options. */
export async function writeRandomWeights(path, name) {
  const architecture = officialArchitecture(variant(name))
  const { tensors } = inventory(architecture, nativeInput(architecture.variant))
  const weights = randomWeights(architecture)
  const stored = Array.from(tensors, ([tensor, shape]) => ({
    name: tensor,
    dtype: 'float32',
    shape,
    data: weights.get(tensor),
  }))
  const spec = {
    architecture,
    anchors: {
      anchorScale: architecture.variant.anchorScale,
      scales: DEFAULT_SCALES,
      ratios: DEFAULT_RATIOS,
    },
    preprocessing: preprocessingOf('effdet', name.startsWith('lite') ? 'lite' : 'imagenet'),
    labels: null,
  }
  await writeSafetensors(path, stored, toMetadata(spec, 'effdet', 'random'))
}
