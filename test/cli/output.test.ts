import { copyFile, link, lstat, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { Annotator } from '#lib/cli/annotate.js'
import type { DetectionResult } from '#lib/index.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, jsonLines, PERSON } from '../helpers/cli.js'

const FORGED = 'error: forged [ERR_WEIGHTS]'

describe('names of files', () => {
  it('forge no lines of results or errors, and reach programs as they are', async () => {
    const folder = await temporaryFolder()
    const good = `good\n${FORGED}\n\x1b[2Jx.jpg  1×1  0 detections\u202e.jpg`
    const bad = `bad\r\n${FORGED}\r\u2066.jpg`
    await copyFile(PERSON, join(folder, good))
    await writeFile(join(folder, bad), 'no picture')
    const [text, json] = await Promise.all([
      efficientdet(['detect', folder, '--out', join(folder, 'out')]),
      efficientdet(['detect', folder, '--json']),
    ])
    expect([text.code, json.code]).toEqual([1, 1])
    const [title, detection, annotated, ...rest] = text.stdout.split('\n')
    expect(title).toMatch(
      /good\\u000aerror: forged \[ERR_WEIGHTS\]\\u000a\\u001b\[2Jx\.jpg.*\\u202e\.jpg {2}640×424/,
    )
    expect(detection).toMatch(/^ {2}person/)
    expect(annotated).toMatch(/^ {2}→ .*good\\u000aerror: forged/)
    expect(rest).toEqual([''])
    const errors = text.stderr.split('\n').filter((line) => line.startsWith('error:'))
    expect(errors).toEqual([expect.stringMatching(/bad\\u000d\\u000aerror: forged .* \[ERR_IMAGE\]$/)])
    const sources = jsonLines<{ source: string }>(json).map(({ source }) => source)
    expect(sources).toEqual([join(folder, bad), join(folder, good)])
    for (const { stdout } of [text, json])
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
  })

  it.each([
    ['info', `a\n${FORGED}\u202e.pth`],
    ['inspect', `a\n${FORGED}\x9b2J.engine`],
    ['detect', '--model', `a\r${FORGED}.pth`, PERSON],
    ['detect', '--labels', `a\n${FORGED}.txt`, PERSON],
    ['detect', `[a]\n${FORGED}\u2028*.jpg`],
    ['convert', `a\n${FORGED}.pth`, 'b'],
    ['pull', `a\n${FORGED}`],
  ])('stay on one line of %s', async (...args) => {
    const { code, stdout, stderr } = await efficientdet(args, { cwd: await temporaryFolder() })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^error: .*\n$/)
    expect(stderr.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u)
  })
})

describe('arguments that are refused', () => {
  it.each([
    [`--forged\n${FORGED}`],
    [`detect\n${FORGED}\x1b[2J`],
    ['detect', 'a.jpg', '--score', `high\r${FORGED}\u202e`],
    ['detect', 'a.jpg', '--backend', `\x1b]0;title\x07\n${FORGED}`],
    ['doctor', `gpu\n${FORGED}`],
    ['export', 'd0', 'd0.onnx', '--precision', 'x'.repeat(100_000)],
  ])('are quoted in one line: %j', async (...args) => {
    const { code, stdout, stderr } = await efficientdet(args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const lines = stderr.split('\n')
    expect(lines).toEqual([expect.stringMatching(/^error: /), '(--help shows the options)', ''])
    expect(lines[0]).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(lines[0]!.length).toBeLessThanOrEqual(10_000)
  })
})

describe('a fault of our own', () => {
  it('is told in lines that are none of ours', async () => {
    const fault = `JSON.stringify = () => { throw new Error("a\\n${FORGED}\\x1b[2J") }`
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` }
    const { code, stdout, stderr } = await efficientdet(['info', '--json'], { env })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const [first, ...rest] = stderr.trimEnd().split('\n')
    expect(first).toBe('error: This is a fault of efficientdet-trt itself. Please report it.')
    expect(rest).toContainEqual(expect.stringMatching(/^ {2}error: forged/))
    for (const line of rest) expect(line).toMatch(/^ {2}[^\p{Cc}]*$/u)
  })
})

describe('secrets in URLs', () => {
  const URLS = [
    'http://user:s3cret@127.0.0.1:3/?sig=s3cret#s3cret',
    'https://s3cret@127.0.0.1:3/a%20b?sig=s3cret&s3cret=s3cret',
    'http://user:s3/cret@127.0.0.1:3/',
  ]
  it.each(
    URLS.flatMap((url, i) => [
      ['pull', 'd0', '--mirror', url],
      ['detect', url, '--json'],
      // Each of the others with one of the URLs.
      ...[
        [
          ['pull', 'd0', `--miror=${url}`],
          ['detect', PERSON, '--model', url],
          ['detect', url],
        ],
        [
          ['detect', PERSON, '--labels', url],
          ['info', url],
          ['inspect', url],
        ],
        [
          ['export', url, 'out.onnx'],
          ['export', 'person', url],
          ['bench', url, '--runs', '1'],
        ],
      ][i]!,
    ]),
  )('are not printed by %s %s %s', async (...args) => {
    const cwd = await temporaryFolder()
    const { code, stdout, stderr } = await efficientdet(args, {
      cwd,
      env: { EFFICIENTDET_CACHE: join(cwd, 'cache') },
    })
    expect(code).toBe(1)
    expect(stdout + stderr).toContain('127.0.0.1:3')
    expect(stdout + stderr).not.toMatch(/s3|cret/)
  })
})

/** What was found in the bundled photograph, with a label of our own. */
function resultWith(label: string): DetectionResult {
  const detections = Array.from({ length: 100 }, () => ({
    label,
    classId: 0,
    score: 0.9,
    box: [10, 100, 200, 300],
  }))
  return { width: 640, height: 424, detections } as unknown as DetectionResult
}

describe('the annotator', () => {
  it.each([
    ['of 400,000 letters', 'W'.repeat(400_000)],
    ['of 20 million', '人'.repeat(20_000_000)],
    ['that XML does not allow', '\0\x1b<&"\ud800\ufffe\u202e'],
    ['of wide signs', '歩行者👩‍👩‍👧'],
  ])('draws a label %s', async (_, label) => {
    const folder = await temporaryFolder()
    const annotator = await Annotator.open(folder, [PERSON])
    const path = await annotator.write(PERSON, resultWith(label))
    expect(await sharp(path).metadata()).toMatchObject({ width: 640, height: 424, format: 'jpeg' })
  })

  it('puts its picture in the place of a link, and leaves alone what the link names', async () => {
    const folder = await temporaryFolder()
    const [precious, missing] = [await temporaryFile(Buffer.from('precious')), join(folder, 'missing')]
    for (const [name, target] of [
      ['a', precious],
      ['b', missing],
    ] as const) {
      await copyFile(PERSON, join(folder, `${name}.jpg`))
      await symlink(target, join(folder, `${name}.detected.jpg`))
    }
    await link(precious, join(folder, 'c.detected.jpg'))
    await copyFile(PERSON, join(folder, 'c.jpg'))
    const images = ['a', 'b', 'c'].map((name) => join(folder, `${name}.jpg`))
    const annotator = await Annotator.open(folder, images)
    for (const image of images) {
      const path = await annotator.write(image, resultWith('person'))
      expect(path).toBe(image.replace('.jpg', '.detected.jpg'))
      expect((await lstat(path)).isFile()).toBe(true)
      expect(await sharp(path).metadata()).toMatchObject({ width: 640 })
    }
    expect(await readFile(precious, 'utf8')).toBe('precious')
    expect(await readdir(folder)).not.toContain('missing')
  })

  it('leaves a link alone that is read as a picture itself', async () => {
    const folder = await temporaryFolder()
    await copyFile(PERSON, join(folder, 'a.jpg'))
    await symlink(PERSON, join(folder, 'a.detected.jpg'))
    const images = ['a.jpg', 'a.detected.jpg'].map((name) => join(folder, name))
    const annotator = await Annotator.open(folder, images)
    expect(await annotator.write(images[0]!, resultWith('person'))).toBe(join(folder, 'a.detected-2.jpg'))
    expect(await readlink(images[1]!)).toBe(PERSON)
  })
})

describe('an output that is the file of labels', () => {
  it.each([
    ['convert', 'person', 'labels.txt', '--labels', 'labels.txt'],
    ['build', 'person', '--out', './labels.txt', '--labels', 'labels.txt'],
  ])('is refused by %s', async (...args) => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'labels.txt'), 'person\n')
    const { code, stderr } = await efficientdet(args, { cwd })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: .*labels\.txt is the file that is read\. .*\[ERR_OUTPUT\]\n$/)
    expect(await readFile(join(cwd, 'labels.txt'), 'utf8')).toBe('person\n')
  })
})
