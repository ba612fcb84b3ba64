import { copyFile, mkdir, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { anchorBoxes, DEFAULT_RATIOS, DEFAULT_SCALES } from '#lib/models/anchors.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON, ROOT } from '../helpers/cli.js'

/** Cells of P3 to P7, nine anchors each. */
function anchorsOf(height: number, width: number): number {
  const cells = [8, 16, 32, 64, 128].map((stride) => Math.ceil(height / stride) * Math.ceil(width / stride))
  return 9 * cells.reduce((sum, n) => sum + n, 0)
}

/** Runs an exported file on a grey picture. */
async function shapesOf(path: string, dims: number[], type: 'float32' | 'float16' = 'float32') {
  const session = await ort.InferenceSession.create(path)
  try {
    const count = dims.reduce((product, n) => product * n, 1)
    const data = type === 'float32' ? new Float32Array(count) : new Uint16Array(count)
    const outputs = await session.run({ images: new ort.Tensor(type, data, dims) })
    return {
      inputs: session.inputNames,
      outputs: Object.fromEntries(
        session.outputNames.map((name) => [name, [outputs[name].type, ...outputs[name].dims]]),
      ),
    }
  } finally {
    await session.release()
  }
}

describe('export', () => {
  it('writes a file that onnxruntime runs, for any number of pictures', async () => {
    const output = join(await temporaryFolder(), 'person.onnx')
    const { code, stdout } = await efficientdet(['export', 'person', output])
    expect(code).toBe(0)
    const { size } = await stat(output)
    expect(stdout).toBe(
      `${output}: EfficientDet-lite0, 320 high × 320 wide, batch dynamic, fp32, ${(size / 1e6).toFixed(1)} MB.\n`,
    )
    for (const batch of [1, 3]) {
      expect(await shapesOf(output, [batch, 3, 320, 320])).toEqual({
        inputs: ['images'],
        outputs: {
          box_regression: ['float32', batch, 19_206, 4],
          class_logits: ['float32', batch, 19_206, 1],
        },
      })
    }
  })

  it("ends with our plugin's node if asked for, and the model's anchors in it", async () => {
    const output = join(await temporaryFolder(), 'plugin.onnx')
    const { code } = await efficientdet([
      'export',
      'person',
      output,
      '--input-size',
      '64',
      '--detections',
      '50',
    ])
    expect(code).toBe(0)
    await expect(ort.InferenceSession.create(output)).rejects.toThrow(/efficientdet:EfficientDetDetections/)
    // As all lite sizes have them.
    const anchors = { scales: DEFAULT_SCALES, ratios: DEFAULT_RATIOS, anchorScale: 3 }
    const boxes = anchorBoxes({ height: 64, width: 64 }, 7, anchors)
    expect((await readFile(output)).includes(Buffer.from(boxes.buffer))).toBe(true)
  })

  it('takes size, batch, precision and input type', async () => {
    const folder = await temporaryFolder()
    const output = join(folder, 'small.onnx')
    const full = join(folder, 'full.onnx')
    const options = ['--input-size', '128x256', '--batch', '2']
    const [half, whole] = await Promise.all([
      efficientdet(['export', 'person', output, ...options, '--precision', 'fp16', '--input', 'fp16']),
      efficientdet(['export', 'person', full, ...options]),
    ])
    expect([half.code, whole.code]).toEqual([0, 0])
    expect(half.stdout).toContain('128 high × 256 wide, batch 2, fp16')
    const anchors = anchorsOf(128, 256)
    expect(await shapesOf(output, [2, 3, 128, 256], 'float16')).toMatchObject({
      outputs: {
        box_regression: ['float32', 2, anchors, 4],
        class_logits: ['float32', 2, anchors, 1],
      },
    })
    expect((await stat(output)).size).toBeLessThan(0.55 * (await stat(full)).size)
    // The batch is what was asked for, so the file refuses another.
    await expect(shapesOf(full, [1, 3, 128, 256])).rejects.toThrow(/images/)
  })

  it('does not write over the weights that it reads, by whatever name', async () => {
    const folder = await temporaryFolder()
    const [weights, link] = [join(folder, 'person.safetensors'), join(folder, 'link.onnx')]
    await copyFile(join(ROOT, 'models/person/person.safetensors'), weights)
    await symlink(weights, link)
    const before = await readFile(weights)
    for (const args of [
      ['export', weights, weights, '--input-size', '64'],
      ['export', weights, link, '--input-size', '64'],
      ['convert', weights, weights],
      ['convert', link, weights],
    ]) {
      const output = args[2]
      const { code, stderr } = await efficientdet(args)
      expect(code).toBe(1)
      expect(stderr).toBe(
        `error: ${output} is the file that is read. Name another one to write. [ERR_OUTPUT]\n`,
      )
    }
    expect((await readFile(weights)).equals(before)).toBe(true)
  })

  it('leaves nothing behind where it cannot write', async () => {
    const folder = await temporaryFolder()
    const taken = join(folder, 'taken.onnx')
    await mkdir(taken)
    for (const output of [taken, join(folder, 'missing', 'x.onnx'), join(PERSON, 'x.onnx')]) {
      const { code, stdout, stderr } = await efficientdet(['export', 'person', output, '--input-size', '64'])
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toContain(`${output} cannot be written`)
      expect(stderr).toContain('[ERR_OUTPUT]')
    }
    expect(await readdir(folder)).toEqual(['taken.onnx'])
  })

  it.each([
    [['--batch', '0'], /batch is 0; expected a whole number from 1 to 1024/],
    [['--batch', '5000'], /batch is 5000; expected a whole number from 1 to 1024/],
    [['--batch', 'many'], /'many' is invalid/],
    [['--input-size', '0'], /inputSize\.height is 0/],
    [['--input-size', '9999x64'], /inputSize\.height is 9999; expected a whole number from 1 to 8192/],
  ])('refuses %j before it does anything', async (options, message) => {
    const folder = await temporaryFolder()
    const { code, stderr } = await efficientdet(['export', 'person', join(folder, 'x.onnx'), ...options])
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
    expect(await readdir(folder)).toEqual([])
  })
})
