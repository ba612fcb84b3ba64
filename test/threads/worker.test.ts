import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { runJob } from '#lib/threads/job.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'

it('ends a thread whose heap is full with a typed error, and goes on', async () => {
  const path = join(await temporaryFolder(), 'worker.mjs')
  // Objects of some kilobytes: a single large one would be refused where it is made.
  await writeFile(path, 'const kept = []; for (;;) kept.push(new Array(10_000).fill(0.5))')
  const job = runJob(pathToFileURL(path), null, { fallback: 'ERR_WEIGHTS' })
  await expect(job).rejects.toThrow(refusal('ERR_OUT_OF_MEMORY', /needed more than 1024 MB/))
})
