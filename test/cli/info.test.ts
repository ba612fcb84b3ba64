import { describe, expect, it } from 'vitest'
import { efficientdet } from '../helpers/cli.js'

/** Parameters with 90 classes as effdet's models count them, and anchors at the native size. */
const SIZES: readonly [name: string, parameters: number, anchors: number][] = [
  ['d0', 3_880_067, 49_104],
  ['d1', 6_625_898, 76_725],
  ['d2', 8_097_039, 110_484],
  ['d3', 12_032_296, 150_381],
  ['d4', 20_723_675, 196_416],
  ['d5', 33_653_315, 306_900],
  ['d6', 51_871_782, 306_900],
  ['d7', 51_871_782, 441_936],
  ['d7x', 77_147_166, 442_260],
  ['lite0', 3_243_470, 19_206],
  ['lite1', 4_248_318, 27_621],
  ['lite2', 5_252_334, 37_629],
  ['lite3', 8_350_862, 49_104],
  ['lite3x', 9_280_862, 76_725],
  ['lite4', 15_130_894, 76_725],
]

describe('info', () => {
  it('counts the parameters and anchors of every size', async () => {
    const run = await efficientdet(['info', '--json'])
    expect(run.code).toBe(0)
    const all: { model: string; parameters: number; anchors: number }[] = JSON.parse(run.stdout)
    expect(all.map(({ model, parameters, anchors }) => [model, parameters, anchors])).toEqual(SIZES)
  })

  it('prints the same as a table', async () => {
    const { stdout } = await efficientdet(['info'])
    const [header, ...rows] = stdout.trimEnd().split('\n')
    expect(header).toMatch(/^model +input +backbone +levels +anchors +parameters +multiply-adds$/)
    expect(rows).toHaveLength(SIZES.length)
    for (const [i, [name, parameters, anchors]] of SIZES.entries()) {
      const cells = rows[i].split(/ {2,}/)
      expect([cells[0], cells[4], cells[5]]).toEqual([
        name,
        anchors.toLocaleString('en'),
        parameters.toLocaleString('en'),
      ])
    }
  })

  it('tells about one size, with other classes and another input', async () => {
    const { code, stdout } = await efficientdet([
      'info',
      'D0',
      '--classes',
      '1',
      '--input-size',
      '384x640',
      '--json',
    ])
    expect(code).toBe(0)
    const one = JSON.parse(stdout)
    expect(one).toMatchObject({
      model: 'd0',
      input: { height: 384, width: 640 },
      classes: 1,
      anchorScale: 4,
    })
    // 89 classes less, with nine anchors each, in a separable convolution of 64 channels and its biases.
    expect(one.parameters).toBe(3_880_067 - 89 * 9 * 65)
    expect(one.anchors).toBe(9 * (48 * 80 + 24 * 40 + 12 * 20 + 6 * 10 + 3 * 5))
    const text = await efficientdet(['info', 'd0', '--input-size', '384x640'])
    expect(text.stdout).toMatch(/input +384 high × 640 wide, RGB\n/)
    expect(text.stdout).toMatch(/levels +P3 48×80, P4 24×40, P5 12×20, P6 6×10, P7 3×5/)
  })

  it('tells about a weights file', async () => {
    const [text, json] = await Promise.all([
      efficientdet(['info', 'person']),
      efficientdet(['info', 'person', '--json']),
    ])
    expect(text.code).toBe(0)
    expect(text.stdout).toMatch(/model +EfficientDet-lite0\n/)
    expect(text.stdout).toMatch(/classes +1 \(person\)\n/)
    expect(text.stdout).toMatch(/preprocessing +antialiased resize, mean 127 127 127, std 128 128 128/)
    expect(text.stdout).toMatch(/padding +backbone same, BiFPN same, max-pool infinity/)
    expect(json.code).toBe(0)
    expect(JSON.parse(json.stdout)).toMatchObject({
      format: 'safetensors',
      model: 'lite0',
      candidates: ['lite0'],
      classes: 1,
      anchorsPerCell: 9,
      labels: ['person'],
      anchors: { anchorScale: 3 },
      questions: [],
      architecture: { model: 'lite0', classes: 1, anchors: 19_206 },
    })
  })

  it('refuses what is neither', async () => {
    const [name, classes, size] = await Promise.all([
      efficientdet(['info', 'd9']),
      efficientdet(['info', 'd0', '--classes', '0']),
      efficientdet(['info', 'd0', '--input-size', '9999']),
    ])
    expect(name).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_MODEL_NOT_FOUND') })
    expect(classes).toMatchObject({ code: 1, stderr: expect.stringMatching(/--classes.* 0/) })
    expect(size).toMatchObject({ code: 1, stderr: expect.stringMatching(/9999.*8192/) })
  })
})
