import { execFileSync } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  convertWeights,
  EfficientDet,
  exportOnnx,
  inspectEngine,
  inspectWeights,
  readLabels,
} from '#lib/index.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { efficientdet, PERSON } from '../helpers/cli.js'

async function namedPipe(): Promise<string> {
  const pipe = join(await temporaryFolder(), 'pipe')
  execFileSync('mkfifo', [pipe])
  return pipe
}

/** More than libuv has threads, which would all wait for a writer. */
const TIMES = 8

describe.skipIf(process.platform === 'win32')('A pipe in place of a file', () => {
  it.each<[string, (pipe: string) => Promise<unknown>, string]>([
    ['weights to load', (pipe) => EfficientDet.load(pipe), 'ERR_WEIGHTS'],
    ['weights to load on a CPU', (pipe) => EfficientDet.load(pipe, { backend: 'cpu' }), 'ERR_WEIGHTS'],
    ['a model to inspect', (pipe) => inspectWeights(pipe), 'ERR_WEIGHTS'],
    ['weights to convert', (pipe) => convertWeights(pipe, join(pipe, '..', 'x.safetensors')), 'ERR_WEIGHTS'],
    ['weights to export', (pipe) => exportOnnx(pipe, join(pipe, '..', 'x.onnx')), 'ERR_WEIGHTS'],
    ['an engine', (pipe) => inspectEngine(pipe), 'ERR_ENGINE'],
    ['labels', (pipe) => readLabels(pipe), 'ERR_LABELS'],
  ])('holds up nothing: %s', async (_, use, code) => {
    const pipe = await namedPipe()
    const uses = Array.from({ length: TIMES }, () => use(pipe))
    for (const result of await Promise.allSettled(uses)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code } })
    }
    await expect(stat(pipe)).resolves.toBeDefined()
  })

  it('holds up nothing: pictures', async () => {
    const pipe = await namedPipe()
    await using detector = await EfficientDet.load('person', { backend: 'cpu' })
    for (const result of await Promise.allSettled(
      Array.from({ length: TIMES }, () => detector.detect(pipe)),
    )) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_IMAGE' } })
    }
  })

  it.each([
    [['inspect'], 'ERR_ENGINE'],
    [['info'], 'ERR_WEIGHTS'],
    [['detect', PERSON, '--model'], 'ERR_WEIGHTS'],
    [['detect', PERSON, '--labels'], 'ERR_LABELS'],
    [['detect'], 'ERR_IMAGE'],
  ])('is refused on the command line: %j', async (args, code) => {
    const { code: exit, stderr } = await efficientdet([...args, await namedPipe()])
    expect(stderr).toContain(`[${code}]`)
    expect(exit).toBe(1)
  })
})
