import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeRandomWeights } from '../tools/random-weights.mjs'
import { writeTrainedLike } from './trained-like.mjs'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const photograph = path('../models/person/person.jpg')

/**
 * The bundled model, D0 and D7x, changed to find about as much as trained ones do.
 *
 * D0's weights are effdet's random ones (tools/reference makes them) or ../shared's golden ones where either is here;
 * else they are ours, as D7x's.
 */
export async function gpuModels() {
  const models = [{ name: 'person', model: 'person' }]
  for (const [name, ...candidates] of [
    ['d0', '../.cache/reference/effdet/tf_efficientdet_d0.pth', '../../shared/data/golden-d0/zylo-d0.pth'],
    ['d7x'],
  ]) {
    const model = path(`../.cache/bench/${name}.safetensors`)
    await mkdir(dirname(model), { recursive: true })
    let weights = candidates.map(path).find(existsSync)
    if (weights === undefined) {
      weights = path(`../.cache/bench/${name}-random.safetensors`)
      await writeRandomWeights(weights, name)
    }
    await writeTrainedLike(weights, photograph, model)
    models.push({ name, model })
  }
  return models
}
