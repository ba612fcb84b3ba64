import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { officialArchitecture } from '#lib/models/spec.js'
import { variant } from '#lib/models/variants.js'
import { ROOT } from '../helpers/cli.js'
import {
  graphOf,
  randomImages,
  randomWeights,
  readFloats,
  relativeError,
  runGraph,
} from '../helpers/networks.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/** Debian's package python3-torch belongs to Debian's Python. */
const PYTHON = ['/usr/bin/python3', 'python3'].find(
  (python) => spawnSync(python, ['-c', 'import torch']).status === 0,
)

if (PYTHON === undefined) {
  console.warn('The ONNX interpreter of the GPU kit is not tested: Python has no torch (apt: python3-torch).')
}

describe.skipIf(PYTHON === undefined)('the ONNX interpreter of the GPU kit', () => {
  // The second has maps of odd sides, which upsampling by a whole factor does not give.
  it.each([
    ['d0', 128, 128],
    ['d0', 168, 104],
    ['lite0', 96, 160],
    ['d7x', 128, 128],
  ] as const)('computes %s at %i×%i as onnxruntime does', async (name, width, height) => {
    const architecture = officialArchitecture(variant(name))
    const inputSize = { width, height }
    const graph = graphOf(architecture, randomWeights(architecture), { inputSize })
    const images = randomImages(1, inputSize)
    const expected = await runGraph(graph, images, [1, 3, height, width])
    const folder = await temporaryFolder()
    const path = join(folder, 'graph.onnx')
    await writeFile(path, graph)
    const { status, stderr } = spawnSync(PYTHON!, [join(ROOT, 'gpu', 'onnx_torch.py'), path, folder], {
      input: new Uint8Array(images.buffer),
    })
    expect([status, stderr.toString()]).toEqual([0, ''])
    for (const [output, values] of [
      ['box_regression', expected.boxRegression],
      ['class_logits', expected.classLogits],
    ] as const) {
      const found = await readFloats(join(folder, output))
      expect(found).toHaveLength(values.length)
      expect(relativeError(found, values)).toBeLessThan(1e-4)
    }
  })

  it('names an operator that it does not know', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'graph.onnx')
    const architecture = officialArchitecture(variant('d0'))
    const graph = graphOf(architecture, randomWeights(architecture), {
      inputSize: { width: 128, height: 128 },
    })
    const renamed = Buffer.from(graph)
    // The name has the same length, so that the file stays one.
    renamed.write('Sigmoie', renamed.indexOf('Sigmoid'))
    await writeFile(path, renamed)
    const images = new Uint8Array(randomImages(1, { width: 128, height: 128 }).buffer)
    const { status, stderr } = spawnSync(PYTHON!, [join(ROOT, 'gpu', 'onnx_torch.py'), path, folder], {
      input: images,
    })
    expect(status).toBe(1)
    expect(stderr.toString()).toContain('no operator Sigmoie is known here')
    await expect(readFile(join(folder, 'class_logits'))).rejects.toThrow('ENOENT')
  })
})
