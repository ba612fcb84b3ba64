import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BUILD_OPTIONS } from '#lib/options/build.js'
import { DETECT_OPTIONS } from '#lib/options/detect.js'
import { ENGINE_OPTIONS } from '#lib/options/engine.js'
import { EXPORT_OPTIONS } from '#lib/options/export.js'
import { LOAD_OPTIONS } from '#lib/options/load.js'
import type { OptionTable } from '#lib/options/option.js'
import { STREAM_OPTIONS } from '#lib/options/stream.js'
import { TRACKER_OPTIONS } from '#lib/options/tracker.js'
import { VIDEO_OPTIONS } from '#lib/options/video.js'
import { WEIGHTS_OPTIONS } from '#lib/options/weights.js'
import { efficientdet, ROOT } from '../helpers/cli.js'

/** Rows of README's tables of options: the names in the first cell, and what the second says of each. */
function rowsOf(title: string): { names: string[]; defaults: string[] }[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const begin = readme.indexOf(`| ${title} | default |`)
  expect(begin, title).toBeGreaterThan(0)
  const [, , ...rows] = readme.slice(begin).split('\n\n', 1)[0].split('\n')
  return rows.map((row) => {
    const [, first, second] = row.split('|').map((cell) => cell.trim())
    const names = Array.from(first.replace(/^`stream`: /, '').matchAll(/`(\w+)`/g), (match) => match[1])
    return { names, defaults: second.split(', ').map((text) => text.replace(/^[`']+|[`']+$| ms$/g, '')) }
  })
}

describe("README's tables of options", () => {
  it.each<[string, OptionTable]>([
    ['`load`', { ...LOAD_OPTIONS, ...WEIGHTS_OPTIONS }],
    ['`detect`, `detectBatch`, `stream`', STREAM_OPTIONS],
  ])('have each option of %s once, with its default', (title, table) => {
    const rows = rowsOf(title)
    expect(rows.flatMap(({ names }) => names).sort()).toEqual(Object.keys(table).sort())
    for (const { names, defaults } of rows) {
      const texts = names.length === 1 ? [defaults.join(', ')] : defaults
      names.forEach((name, i) => {
        const { shown } = table[name].default
        if (shown !== '') expect([name, texts[i]]).toEqual([name, shown])
      })
    }
  })
})

describe('docstrings of options', () => {
  it.each<[string, OptionTable]>([
    ['load', LOAD_OPTIONS],
    ['build', BUILD_OPTIONS],
    ['engine', ENGINE_OPTIONS],
    ['export', EXPORT_OPTIONS],
    ['detect', DETECT_OPTIONS],
    ['stream', STREAM_OPTIONS],
    ['tracker', TRACKER_OPTIONS],
  ])('of %s tell their defaults', (file, table) => {
    const source = readFileSync(join(ROOT, 'lib', 'options', `${file}.ts`), 'utf8')
    const documented = source.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\n {2}readonly (\w+)\?:/gs)
    for (const [, text, name] of documented) {
      const { value, shown } = table[name].default
      if (shown === String(value)) expect([name, text]).toEqual([name, expect.stringContaining(shown)])
    }
  })
})

describe('flags', () => {
  it.each<[string, OptionTable, readonly string[]]>([
    ['detect', LOAD_OPTIONS, ['backend', 'inputSize', 'threads', 'device', 'libraryPath', 'backendLibrary']],
    ['detect', STREAM_OPTIONS, ['scoreThreshold', 'classes', 'iouThreshold', 'maxDetections', 'nms']],
    [
      'video',
      VIDEO_OPTIONS,
      ['fps', 'every', 'start', 'duration', 'scale', 'frameRate', 'decoder', 'timeout'],
    ],
    ['build', BUILD_OPTIONS, ['maxBatchSize', 'targets', 'device', 'inputSize']],
    ['build', ENGINE_OPTIONS, Object.keys(ENGINE_OPTIONS)],
    ['export', EXPORT_OPTIONS, ['inputSize', 'batch', 'precision', 'input', 'detections']],
  ])('of %s are called as the options are, with their help and defaults', async (command, table, names) => {
    const { stdout } = await efficientdet([command, '--help'])
    const help = stdout.replace(/\s+/g, ' ')
    for (const name of names) {
      const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      const { type, default: standard, help: text } = table[name]
      expect(help).toMatch(new RegExp(` --(no-)?${flag} `))
      expect(help).toContain(text)
      if (type !== 'flag' && standard.shown !== '') expect(help).toContain(`(default: ${standard.shown})`)
    }
  })
})
