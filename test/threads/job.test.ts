import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runJob } from '#lib/threads/job.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { ROOT } from '../helpers/cli.js'
import { refusal } from '../helpers/refusal.js'

/** A worker file whose thread runs this. */
async function workerFile(body: string): Promise<URL> {
  const outcome = pathToFileURL(join(ROOT, 'dist', 'threads', 'outcome.js'))
  const errors = pathToFileURL(join(ROOT, 'dist', 'base', 'errors.js'))
  const path = await temporaryFile(
    `import { workerData } from 'node:worker_threads'
     import { postOutcome } from ${JSON.stringify(outcome.href)}
     import { EfficientDetError } from ${JSON.stringify(errors.href)}
     ${body}`,
    'worker.mjs',
  )
  return pathToFileURL(path)
}

describe('runJob', () => {
  it('gives what the job comes to', async () => {
    const url = await workerFile(
      'postOutcome(Promise.resolve({ twice: 2 * workerData, bytes: new Uint8Array(2) }))',
    )
    expect(await runJob(url, 21, { fallback: 'ERR_WEIGHTS' })).toEqual({
      twice: 42,
      bytes: new Uint8Array(2),
    })
  })

  it.each([
    [
      'throws an error of ours',
      "postOutcome(Promise.reject(new EfficientDetError('ERR_LABELS', 'Two labels.')))",
      'ERR_LABELS',
      /^Two labels\.$/,
    ],
    ['throws another error', "postOutcome(Promise.reject(new Error('Oh.')))", 'ERR_WEIGHTS', /^Oh\.$/],
    ['fails before it answers', "throw new Error('At once.')", 'ERR_WEIGHTS', /^At once\.$/],
    ['ends without an answer', '', 'ERR_WEIGHTS', /ended early \(exit code 0\)/],
    ['ends its thread', 'process.exit(3)', 'ERR_WEIGHTS', /ended early \(exit code 3\)/],
  ])('fails with a typed error when the job %s', async (_, body, code, message) => {
    const url = await workerFile(body)
    await expect(runJob(url, null, { fallback: 'ERR_WEIGHTS' })).rejects.toThrow(refusal(code, message))
  })

  it('ends a job that would take for ever when its signal aborts, with the reason', async () => {
    const url = await workerFile('for (;;);')
    const controller = new AbortController()
    const reason = new Error('enough')
    const job = runJob(url, null, { signal: controller.signal, fallback: 'ERR_WEIGHTS' })
    setTimeout(() => controller.abort(reason), 100)
    await expect(job).rejects.toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('does not start with an aborted signal', async () => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(
      runJob(new URL('file:///nowhere.js'), null, { signal, fallback: 'ERR_WEIGHTS' }),
    ).rejects.toBe(reason)
  })

  it('leaves no listener on the signal, and a late abort does nothing', async () => {
    const url = await workerFile('postOutcome(Promise.resolve(1))')
    const controller = new AbortController()
    await runJob(url, null, { signal: controller.signal, fallback: 'ERR_WEIGHTS' })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    controller.abort()
  })
})
