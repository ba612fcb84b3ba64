import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { writeTrainedLike } from './trained-like.mjs'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const photograph = path('../models/person/person.jpg')

/**
 * The bundled model, and those of D0 and D7x that are here: effdet's with random weights (tools/reference makes them)
 * or ../shared's golden D0, changed to find about as much as trained ones do.
 */
export async function gpuModels() {
  const models = [{ name: 'person', model: 'person' }]
  for (const [name, candidates] of [
    ['d0', ['../.cache/reference/effdet/tf_efficientdet_d0.pth', '../../shared/data/golden-d0/zylo-d0.pth']],
    ['d7x', ['../.cache/reference/effdet/tf_efficientdet_d7x.pth']],
  ]) {
    const found = candidates.map(path).find(existsSync)
    if (found === undefined) {
      console.log(`${name} is left out: no weights in ${candidates.map(path).join(' or ')}.`)
      continue
    }
    const model = path(`../.cache/bench/${name}.safetensors`)
    await writeTrainedLike(found, photograph, model)
    models.push({ name, model })
  }
  return models
}
