import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, jsonLines, MAIN, PERSON } from '../helpers/cli.js'
import { clip, hasFfmpeg, probe } from '../helpers/ffmpeg.js'
import { fileIsWritten } from '../helpers/folders.js'

/** A person who stands still while time goes. */
const standing = (name: string, seconds: number) =>
  clip(name, '-loop', '1', '-framerate', '10', '-t', String(seconds), '-i', PERSON)

interface Line {
  readonly stream: string
  readonly index: number
  readonly detections: readonly { readonly label: string; readonly trackId: number | null }[]
  readonly events: readonly { readonly type: string }[]
  readonly counts: { readonly zones: Record<string, { readonly entered: number }> }
}

describe.runIf(hasFfmpeg)('video', () => {
  it('writes an annotated video and says how it went', async () => {
    const path = await standing('street.mp4', 1)
    const out = join(await temporaryFolder(), 'out', 'annotated.mp4')
    const { code, stdout, stderr } = await efficientdet(['video', path, '--track', '--out', out])
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /street\.mp4 +ended +10 frames.* 0 dropped.*\n→ .*annotated\.mp4: 10 written\n$/,
      ),
      stderr: expect.stringContaining('EfficientDet-lite0'),
    })
    expect(probe(out).frames).toHaveLength(10)
  })

  it('prints one JSON object a frame, with tracks and zones', async () => {
    const path = await standing('street.mp4', 1)
    const zones = join(await temporaryFolder(), 'zones.yml')
    await writeFile(
      zones,
      'size: { width: 1, height: 1 }\nzones: [{ name: all, points: [[0, 0], [1, 0], [1, 1], [0, 1]] }]',
    )
    const run = await efficientdet(['video', path, '--json', '--zones', zones, '--tracker', 'ocsort'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const lines = jsonLines<Line>(run)
    expect(lines.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9])
    expect(lines[9].detections[0]).toMatchObject({ label: 'person', trackId: 0 })
    expect(lines[9].counts.zones.all.entered).toBe(1)
    expect(lines.flatMap(({ events }) => events).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['new', 'end']),
    )
  })

  it('runs the streams of a file, each with its name and options', async () => {
    const path = await standing('street.mp4', 1)
    const folder = await temporaryFolder()
    const cameras = join(folder, 'cameras.yml')
    await writeFile(
      cameras,
      `streams:\n  all: ${path}\n  few: { source: "${path}", every: 5, scale: { width: 320 } }\n`,
    )
    const out = join(folder, '{stream}.mp4')
    const run = await efficientdet(['video', cameras, '--json', '--out', out, '--show-stats'])
    expect(run.code).toBe(0)
    const streams = jsonLines<Line>(run).map(({ stream }) => stream)
    expect(streams.filter((name) => name === 'few')).toHaveLength(2)
    expect(streams.filter((name) => name === 'all')).toHaveLength(10)
    expect(run.stderr).toMatch(/all +ended +10 frames/)
    expect((await readdir(folder)).sort()).toEqual(['all.mp4', 'cameras.yml', 'few.mp4'])
  })

  it('leaves a whole video where it is asked to end', async () => {
    const path = await standing('street.mp4', 30)
    const folder = await temporaryFolder()
    const written = fileIsWritten(folder, /partial/)
    const out = join(folder, 'annotated.mkv')
    const child = spawn(process.execPath, [MAIN, 'video', path, '--out', out], { stdio: 'ignore' })
    await written
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    expect(code).toBe(143)
    expect(await readdir(folder)).toEqual(['annotated.mkv'])
    expect(probe(out).frames.length).toBeGreaterThan(0)
  })

  it.each([
    [['missing.mp4'], /error: missing\.mp4 cannot be read .* \[ERR_VIDEO\]/],
    [[PERSON, '--json', '--csv'], /--json and --csv both print; choose one/],
    [[PERSON, PERSON, '--out', 'a.mp4'], /put \{stream\} into its name/],
    [[PERSON, '--out', 'a.avi'], /ends in \.mp4/],
    [[PERSON, '--mqtt', 'http://user:secret@host'], /path is|url is "http:\/\/host".*mqtt:/],
    [[PERSON, '--scale', '0'], /Expected WIDTHxHEIGHT/],
    [['cameras.yml'], /cameras\.yml cannot be read .*Expected YAML/],
  ])('refuses %o with a sentence', async (args, message) => {
    const { code, stdout, stderr } = await efficientdet(['video', ...args])
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) })
    expect(stderr).not.toContain('secret')
  })
})
