import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { efficientdet, PERSON } from '../helpers/cli.js'
import { program } from '../helpers/programs.js'

describe("onnxruntime's telemetry", () => {
  let home: string
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'efficientdet-home-'))
  })
  afterEach(() => rm(home, { recursive: true }))

  it('is off: detection leaves nothing in the home folder', async () => {
    const { code } = await efficientdet(['detect', PERSON], {
      env: { HOME: home, XDG_CACHE_HOME: undefined, ORT_DISABLE_TELEMETRY: undefined },
    })
    expect(code).toBe(0)
    expect(await readdir(home)).toEqual([])
  })

  it('is off where the network runs in a process of its own', async () => {
    const { code, stderr } = await program(`
      import { Worker, isMainThread } from 'node:worker_threads'
      process.env.HOME = ${JSON.stringify(home)}
      delete process.env.ORT_DISABLE_TELEMETRY
      delete process.env.XDG_CACHE_HOME
      const body = 'import(' + JSON.stringify(INDEX) + ').then(async ({ EfficientDet }) => {' +
        'const detector = await EfficientDet.load("person"); await detector.detect(' + JSON.stringify(PERSON) + '); await detector.dispose() })'
      await new Promise((resolve, reject) => new Worker(body, { eval: true, execArgv: [] }).on('exit', resolve).on('error', reject))
    `)
    expect([code, stderr]).toEqual([0, ''])
    expect(await readdir(home)).toEqual([])
  })
})
