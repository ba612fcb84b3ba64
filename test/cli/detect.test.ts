import { spawn, spawnSync } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { type DetectLine, efficientdet, jsonLines, MAIN, PERSON, run } from '../helpers/cli.js'

let person: Buffer
beforeAll(async () => {
  person = await readFile(PERSON)
})

describe('detect', () => {
  it('prints a table, with everything about it on standard error', async () => {
    const { code, stdout, stderr } = await efficientdet(['detect', PERSON])
    expect(code).toBe(0)
    const [title, line, ...rest] = stdout.trimEnd().split('\n')
    expect(title).toMatch(/person\.jpg {2}640×424 {2}1 detection {2}\d+ ms$/)
    expect(line).toMatch(/^ {2}person {2}0\.\d{3}( +\d+\.\d){4}$/)
    expect(rest).toEqual([])
    expect(stderr).toMatch(/EfficientDet-lite0 on onnxruntime .*, input 320 high × 320 wide/)
    expect(stderr).toMatch(/tensorrt does not run: .*looked for/)
  })

  it('prints one JSON object a line, and nothing else anywhere', async () => {
    const folder = await temporaryFolder()
    const missing = join(folder, 'missing.jpg')
    const run = await efficientdet(['detect', PERSON, missing, PERSON, '--json'])
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: '' })
    const lines = jsonLines<DetectLine>(run)
    expect(lines.map(({ source }) => source).sort()).toEqual([missing, PERSON].sort())
    const good = lines.find(({ source }) => source === PERSON)!
    expect(good).toMatchObject({ width: 640, height: 424, pages: 1, backend: 'cpu', annotated: null })
    expect(good.detections).toMatchObject([{ label: 'person', classId: 0 }])
    expect(good.timings.total).toBeGreaterThan(0)
    const bad = lines.find(({ source }) => source === missing)!
    expect(bad.error).toEqual({
      code: 'ERR_IMAGE',
      message: expect.stringMatching(/missing\.jpg.*no such file/),
    })
  })

  it('reads standard input, and draws into it too', async () => {
    const out = await temporaryFolder()
    const detect = (args: readonly string[], input: Buffer) =>
      spawnSync(process.execPath, [MAIN, 'detect', '-', '--json', ...args], { input, encoding: 'utf8' })
    const [plain, drawn] = [detect([], person), detect(['--out', out], person)]
    for (const { status, stdout } of [plain, drawn]) {
      expect(status).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ source: '-', width: 640, detections: [{ label: 'person' }] })
    }
    expect(JSON.parse(drawn.stdout).annotated).toBe(join(out, 'stdin.detected.jpg'))
    expect(await sharp(join(out, 'stdin.detected.jpg')).metadata()).toMatchObject({ width: 640, height: 424 })
    for (const { status, stdout } of [detect([], Buffer.of()), detect([PERSON], Buffer.from('no picture'))]) {
      expect(status).toBe(1)
      expect(JSON.parse(stdout.split('\n')[0]).error.message).toMatch(/^Standard input /)
    }
  })

  it('draws into pictures that are given as URLs', async () => {
    const out = await temporaryFolder()
    const small = await sharp(person).resize(64).jpeg().toBuffer()
    const urls = [pathToFileURL(PERSON).href, `data:image/jpeg;base64,${small.toString('base64')}`]
    const run = await efficientdet(['detect', ...urls, '--out', out, '--json'])
    expect(run.code).toBe(0)
    expect(jsonLines<DetectLine>(run).map(({ annotated }) => basename(annotated!))).toEqual([
      'person.detected.jpg',
      'data.detected.jpg',
    ])
  })

  it('says that a folder or pattern holds no pictures', async () => {
    const folder = await temporaryFolder()
    const [empty, pattern] = await Promise.all([
      efficientdet(['detect', folder]),
      efficientdet(['detect', join(folder, '*.jpg')]),
    ])
    expect(empty).toMatchObject({ code: 1, stdout: '' })
    expect(empty.stderr).toContain(`${folder}: the folder holds no pictures`)
    expect(pattern).toMatchObject({ code: 1, stdout: '' })
    expect(pattern.stderr).toMatch(/\*\.jpg: no picture matches this pattern\. \[ERR_IMAGE\]/)
  })

  it('tells which models there are when one is misspelt', async () => {
    const [similar, other] = await Promise.all([
      efficientdet(['detect', PERSON, '--model', 'persn']),
      efficientdet(['detect', PERSON, '--model', 'yolo/best.pt']),
    ])
    expect(similar).toMatchObject({ code: 1, stdout: '' })
    expect(similar.stderr).toMatch(/persn: .*Did you mean person\? \[ERR_MODEL_NOT_FOUND\]/)
    expect(other).toMatchObject({ code: 1, stdout: '' })
    expect(other.stderr).toMatch(/yolo\/best\.pt: there is no such file.*Models: person, d0, d1/)
  })

  it('tells what a backend that was asked for looked for', async () => {
    const { code, stdout, stderr } = await efficientdet(['detect', PERSON, '--backend', 'tensorrt'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/tensorrt: .*(looked for|found).*remedy: .*\[ERR_BACKEND_UNAVAILABLE\]/)
  })

  it('takes what can be decoded of a damaged file when asked to, and says what was wrong', async () => {
    const cut = await temporaryFile((await readFile(PERSON)).subarray(0, 100_000), 'cut.jpg')
    const [refused, accepted] = await Promise.all([
      efficientdet(['detect', cut]),
      efficientdet(['detect', cut, '--damaged', 'accept']),
    ])
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('(--damaged accept)') })
    expect(accepted.code).toBe(0)
    expect(accepted.stdout).toMatch(/\(The file is damaged .*pixels are missing or wrong\.\)/)
  })

  /** A folder of many pictures, which take longer than any test waits. */
  const manyPictures = async () => {
    const folder = await temporaryFolder()
    const names = Array.from({ length: 300 }, (_, i) => `${i}.jpg`)
    await Promise.all(names.map((name) => symlink(PERSON, join(folder, name))))
    return { folder, count: names.length }
  }

  it.each([
    ['Ctrl-C', 'SIGINT', 130],
    ['SIGTERM', 'SIGTERM', 143],
  ] as const)('ends with %s, after the pictures that were done', async (_, signal, code) => {
    const { folder, count } = await manyPictures()
    const child = spawn(process.execPath, [MAIN, 'detect', folder, '--json', '--backend', 'cpu'])
    const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
    let output = ''
    for await (const text of child.stdout) {
      output += text
      // A second one would end the process as it is.
      if (!child.killed) child.kill(signal)
    }
    expect(await exited).toEqual({ code, signal: null })
    const lines = output.trimEnd().split('\n')
    expect(lines.length).toBeLessThan(count)
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ width: 640 })
  })

  it('ends quietly, and early, when its reader has gone', async () => {
    const { folder } = await manyPictures()
    const annotated = await temporaryFolder()
    const pipe = 'set -o pipefail; "$@" | head -1'
    const args = [MAIN, 'detect', folder, '--json', '--backend', 'cpu', '--out', annotated]
    const { code, stdout, stderr } = await run('bash', ['-c', pipe, 'bash', process.execPath, ...args])
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ source: join(folder, '0.jpg') })
    expect((await readdir(annotated)).length).toBeLessThan(100)
  })
})

describe('detect --classes', () => {
  const found = async (...args: string[]) => {
    const run = await efficientdet(['detect', ...args, '--json'])
    return run.code === 0 ? jsonLines<DetectLine>(run)[0].detections.length : run.stderr
  }

  it('takes one list, and leaves the picture after it alone', async () => {
    expect(await found('--classes', 'person', PERSON)).toBe(1)
    expect(await found('--classes', '0, person', PERSON)).toBe(1)
  })

  it('may be given several times, and refuses names that are none', async () => {
    expect(await found('--classes', 'person', '--classes', '0', PERSON)).toBe(1)
    expect(await found('--classes', 'person,dog', PERSON)).toMatch(/"dog".*\[ERR_INVALID_OPTION\]/)
    expect(await found('--classes', 'person,', PERSON)).toMatch(/'person,' is invalid\. Expected a list/)
  })
})

describe('detect --out', () => {
  it('draws into the picture as a viewer shows it, and leaves no orientation to be applied twice', async () => {
    const folder = await temporaryFolder()
    const picture = join(folder, 'phone.jpg')
    // Stored lying on its side, with the tag that tells viewers to turn it by 90° clockwise.
    const lying = await sharp(person).rotate(270).toBuffer()
    await sharp(lying).withMetadata({ orientation: 6 }).toFile(picture)
    expect(await sharp(picture).metadata()).toMatchObject({ width: 424, height: 640, orientation: 6 })

    const out = join(folder, 'out')
    const run = await efficientdet(['detect', picture, '--out', out, '--json'])
    expect(run.code).toBe(0)
    const [{ width, height, detections, annotated }] = jsonLines<DetectLine>(run)
    expect({ width, height }).toEqual({ width: 640, height: 424 })
    expect(annotated).toBe(join(out, 'phone.detected.jpg'))
    const written = await sharp(annotated!).metadata()
    expect(written).toMatchObject({ width: 640, height: 424, format: 'jpeg' })
    expect(written.orientation ?? 1).toBe(1)

    // The frame is drawn where the box is, and the rest of the picture is as it was.
    const pixels = (path: string) => sharp(path).autoOrient().removeAlpha().raw().toBuffer()
    const [before, after] = await Promise.all([pixels(picture), pixels(annotated!)])
    /** Largest difference of a colour within two pixels, which is as wide as the frame. */
    const change = (x: number, y: number) => {
      let largest = 0
      for (let row = Math.round(y) - 2; row <= Math.round(y) + 2; row++) {
        for (let i = (row * 640 + Math.round(x) - 2) * 3; i < (row * 640 + Math.round(x) + 3) * 3; i++) {
          largest = Math.max(largest, Math.abs(before[i] - after[i]))
        }
      }
      return largest
    }
    const [x1, y1, x2, y2] = detections[0].box
    const middle = [(x1 + x2) / 2, (y1 + y2) / 2]
    const edges = [change(x1, middle[1]), change(x2, middle[1]), change(middle[0], y2)]
    for (const edge of edges) expect(edge).toBeGreaterThan(80)
    expect(change(middle[0], middle[1])).toBeLessThan(40)
    expect(change(20, 400)).toBeLessThan(40)
  })

  it('never writes one picture over another', async () => {
    const folder = await temporaryFolder()
    await Promise.all(['a', 'b'].map((name) => mkdir(join(folder, name))))
    const pictures = ['a/x.jpg', 'b/x.jpg', 'b/x.png'].map((name) => join(folder, name))
    await copyFile(PERSON, pictures[0])
    await sharp(person).resize(320).toFile(pictures[1])
    await sharp(person).resize(160).png().toFile(pictures[2])
    const out = join(folder, 'out', 'nested')
    const run = await efficientdet(['detect', ...pictures, '--out', out, '--json'])
    expect(run.code).toBe(0)
    const written = jsonLines<DetectLine>(run).map(({ annotated }) => annotated!)
    expect(written.map((path) => basename(path))).toEqual([
      'x.detected.jpg',
      'x.detected-2.jpg',
      'x.detected.png',
    ])
    const sizes = await Promise.all(written.map(async (path) => (await sharp(path).metadata()).width))
    expect(sizes).toEqual([640, 320, 160])
  })

  it('says when its folder cannot be made', async () => {
    const { code, stdout, stderr } = await efficientdet(['detect', PERSON, '--out', join(PERSON, 'out')])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/person\.jpg\/out cannot be made .*\[ERR_OUTPUT\]/)
  })
})

describe('demo', () => {
  it('writes an annotated picture and tells how to get all of COCO', async () => {
    const out = await temporaryFolder()
    const { code, stdout } = await efficientdet(['demo', '--out', out])
    expect(code).toBe(0)
    expect(stdout).toMatch(/person {2}0\.\d{3}/)
    expect(stdout).toContain('efficientdet pull d0')
    const picture = join(out, 'person.detected.jpg')
    expect(stdout).toContain(picture)
    expect(await sharp(picture).metadata()).toMatchObject({ width: 640, height: 424 })
  })
})
