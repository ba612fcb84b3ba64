import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COCO_LABELS, inspectWeights } from '#lib/index.js'
import { opened, temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, jsonLines, PERSON } from '../helpers/cli.js'
import { hasShared, shared } from '../helpers/shared.js'

const GOLDEN = hasShared ? shared('data/golden-d0/zylo-d0.pth') : ''

/** Names for n classes, the first of which is "class one". */
function names(n: number): string[] {
  return Array.from({ length: n }, (_, i) => (i === 0 ? 'class one' : `thing ${i + 1}`))
}

/** Converts with a label file of this content. */
async function convertWith(model: string, labelFile: string) {
  const folder = await temporaryFolder()
  const labels = join(folder, 'labels.txt')
  const output = join(folder, 'out.safetensors')
  await writeFile(labels, labelFile)
  const result = await efficientdet(['convert', model, output, '--labels', labels])
  return { ...result, output, files: await readdir(folder) }
}

async function labelsOf(path: string) {
  return (await inspectWeights(path)).decided.spec?.labels
}

describe('convert', () => {
  it('keeps what it was told, so that nobody needs to tell it again', async () => {
    const folder = await temporaryFolder()
    const output = join(folder, 'walkers.safetensors')
    await writeFile(join(folder, 'labels.txt'), 'walker\n')
    const { code, stdout } = await efficientdet([
      'convert',
      'person',
      output,
      '--labels',
      join(folder, 'labels.txt'),
    ])
    expect(code).toBe(0)
    expect(stdout).toBe(`${output}: EfficientDet-lite0, 1 class.\n`)
    const detected = await efficientdet(['detect', PERSON, '--model', output, '--json'])
    expect(jsonLines(detected)).toMatchObject([{ detections: [{ label: 'walker', classId: 0 }] }])
  })

  it('writes float16 with --precision fp16', async () => {
    const output = join(await temporaryFolder(), 'half.safetensors')
    const full = join(await temporaryFolder(), 'full.safetensors')
    const [half, whole] = await Promise.all([
      efficientdet(['convert', 'person', output, '--precision', 'fp16']),
      efficientdet(['convert', 'person', full]),
    ])
    expect([half.code, whole.code]).toEqual([0, 0])
    expect(half.stdout).toMatch(/, fp16\.\n$/)
    const [small, large] = await Promise.all([stat(output), stat(full)])
    expect(small.size / large.size).toBeLessThan(0.55)
    const checkpoint = await opened(output)
    const dtypes = [...checkpoint.tensors.values()].map(({ dtype, shape }) => [shape.length > 1, dtype])
    expect(new Set(dtypes.map(String))).toEqual(new Set(['true,float16', 'false,float32']))
  })

  it('reads what it wrote, and keeps what that says', async () => {
    const folder = await temporaryFolder()
    const [first, second] = ['first.safetensors', 'second.safetensors'].map((name) => join(folder, name))
    expect((await efficientdet(['convert', 'person', first])).code).toBe(0)
    expect((await efficientdet(['convert', first, second, '--precision', 'fp16'])).code).toBe(0)
    expect(await labelsOf(second)).toEqual(['person'])
  })

  it('leaves nothing behind where it cannot write', async () => {
    const folder = await temporaryFolder()
    const taken = join(folder, 'taken.safetensors')
    await mkdir(taken)
    for (const output of [taken, join(folder, 'missing', 'x.safetensors'), join(PERSON, 'x.safetensors')]) {
      const { code, stdout, stderr } = await efficientdet(['convert', 'person', output])
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toContain(output)
      expect(stderr).toMatch(/cannot be written .*\[ERR_OUTPUT\]/)
    }
    expect(await readdir(folder)).toEqual(['taken.safetensors'])
  })

  it('tells the kinds of files it cannot read', async () => {
    const folder = await temporaryFolder()
    const output = join(folder, 'x.safetensors')
    const [picture, missing] = await Promise.all([
      efficientdet(['convert', PERSON, output]),
      efficientdet(['convert', join(folder, 'no.pth'), output]),
    ])
    expect(picture).toMatchObject({ code: 1, stderr: expect.stringMatching(/person\.jpg.*\[ERR_WEIGHTS\]/s) })
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no\.pth.*\[ERR_MODEL_NOT_FOUND\]/s),
    })
    expect(await readdir(folder)).toEqual([])
  })
})

describe('convert --labels', () => {
  it('refuses a list of another length with both numbers', async () => {
    const { code, stderr, files } = await convertWith('person', 'background\nperson\n')
    expect(code).toBe(1)
    expect(stderr).toMatch(/2 labels.*1 class\b.*\[ERR_LABELS\]/)
    expect(files).toEqual(['labels.txt'])
  })

  it.each([
    ['with a byte order mark', '\uFEFFmensch\n'],
    ['with CR LF', 'mensch\r\n'],
    ['with empty lines at the end', 'mensch\n\n\r\n  \n'],
    ['without a line end', 'mensch'],
  ])('reads one %s', async (_, content) => {
    const { code, output } = await convertWith('person', content)
    expect(code).toBe(0)
    expect(await labelsOf(output)).toEqual(['mensch'])
  })

  it.each(['', '\uFEFF\r\n\r\n'])('refuses one without names: %j', async (content) => {
    const { code, stderr } = await convertWith('person', content)
    expect(code).toBe(1)
    expect(stderr).toMatch(/labels\.txt holds no names.*\[ERR_LABELS\]/)
  })

  it('says that there is no such file', async () => {
    const output = join(await temporaryFolder(), 'x.safetensors')
    const { code, stderr } = await efficientdet(['convert', 'person', output, '--labels', 'no/labels.txt'])
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/no\/labels\.txt cannot be read .*\[ERR_LABELS\]/),
    })
  })

  describe.runIf(hasShared)('of a COCO head of 90', () => {
    it.each([80, 89, 91])('refuses %i lines', async (count) => {
      const { code, stderr, files } = await convertWith(GOLDEN, `${names(count).join('\n')}\n`)
      expect(code).toBe(1)
      expect(stderr).toMatch(new RegExp(`${count} labels.*90 classes.*\\[ERR_LABELS\\]`))
      if (count === 80) expect(stderr).toMatch(/leave out ten unused ids/)
      expect(files).toEqual(['labels.txt'])
    })

    it.each([
      ['as they are', '', '\n', '\n'],
      ['with CR LF, a byte order mark and blank lines after', '\uFEFF', '\r\n', '\r\n\r\n'],
    ])('takes 90 lines %s', async (_, start, lineEnd, end) => {
      const { code, output } = await convertWith(GOLDEN, start + names(90).join(lineEnd) + end)
      expect(code).toBe(0)
      expect(await labelsOf(output)).toEqual(names(90))
    })

    it('keeps a gap a gap: an unused id never has the name of its neighbour', async () => {
      const { code, output } = await convertWith(GOLDEN, COCO_LABELS.join('\n'))
      expect(code).toBe(0)
      const labels = await labelsOf(output)
      expect(labels).toEqual(COCO_LABELS)
      // COCO's category 12 does not exist, 11 is the fire hydrant and 13 the stop sign.
      expect(labels!.slice(10, 13)).toEqual(['fire hydrant', '', 'stop sign'])
    })
  })
})

describe('options about weights', () => {
  it('refuse anchor lists that are none, with an example', async () => {
    const output = join(await temporaryFolder(), 'x.safetensors')
    const forms = ["__import__('os')", '1:0', '[[1, 1]]', 'one']
    for (const form of forms) {
      const { code, stderr } = await efficientdet(['convert', 'person', output, '--anchor-ratios', form])
      expect(code).toBe(1)
      expect(stderr).toMatch(/--anchor-ratios.*is invalid\. Expected width:height pairs such as 1:1/)
    }
    const scales = await efficientdet(['convert', 'person', output, '--anchor-scales', '2 ** x'])
    expect(scales).toMatchObject({ code: 1, stderr: expect.stringMatching(/such as 1,1\.26,1\.59/) })
  })

  it('refuse as many anchors as the head does not have', async () => {
    const output = join(await temporaryFolder(), 'x.safetensors')
    const { code, stderr } = await efficientdet(['convert', 'person', output, '--anchor-ratios', '1:1'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/3\b.*9\b|9\b.*3\b/)
  })

  it("store anchors that were given in the form of zylo's projects", async () => {
    const output = join(await temporaryFolder(), 'x.safetensors')
    const { code } = await efficientdet([
      'convert',
      'person',
      output,
      ...['--anchor-ratios', '[(1.0, 1.0), (1.3, 0.8), (1.9, 0.5)]'],
      ...['--anchor-scales', '[2 ** 0, 2 ** (1.0 / 3.0), 2 ** (2.0 / 3.0)]'],
    ])
    expect(code).toBe(0)
    const { decided } = await inspectWeights(output)
    expect(decided.spec?.anchors).toEqual({
      anchorScale: 3,
      scales: [1, 2 ** (1 / 3), 2 ** (2 / 3)],
      ratios: [
        [1, 1],
        [1.3, 0.8],
        [1.9, 0.5],
      ],
    })
  })
})
