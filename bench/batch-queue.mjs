// Prints what a shard that waits takes of Redis, and how soon shards are put in: `node bench/batch-queue.mjs [shards]`.
// Needs redis-server.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { bullmq, connect, jobId, QUEUE } from '#lib/batch/queue.js'

const SHARDS = Number(process.argv[2] ?? 20_000)
const TOGETHER = 500
const PORT = 16_379
const server = spawn('redis-server', ['--port', PORT, '--save', '', '--bind', '127.0.0.1'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  for await (const text of server.stdout) if (String(text).includes('Ready to accept')) break
  const connection = await connect(`redis://127.0.0.1:${PORT}`, new AbortController().signal)
  const { Queue } = await bullmq()
  const queue = new Queue(QUEUE, { connection })
  await queue.waitUntilReady()
  const used = async () => Number(/used_memory:(\d+)/.exec(await connection.info('memory'))[1])
  const before = await used()
  const begun = performance.now()
  const out = '/data/scores'
  for (let first = 0; first < SHARDS; first += TOGETHER) {
    await queue.addBulk(
      Array.from({ length: TOGETHER }, (_, i) => ({
        name: 'shard',
        data: { out, shard: first + i, retryErrors: false },
        opts: { jobId: jobId(out, first + i), attempts: 5, removeOnComplete: true, removeOnFail: true },
      })),
    )
  }
  const seconds = (performance.now() - begun) / 1000
  const bytes = (await used()) - before
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
  )
  console.log(
    `${SHARDS} shards wait: ${(bytes / SHARDS).toFixed(0)} bytes of Redis each, put in at ${(SHARDS / seconds).toFixed(0)}/s`,
  )
  await queue.close()
  connection.disconnect()
} finally {
  server.kill()
  await once(server, 'exit')
}
