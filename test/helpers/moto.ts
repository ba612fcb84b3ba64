import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ROOT } from './cli.js'

/** Where CI installs moto, which stands in for S3 and is right about conditional puts. */
const env = { ...process.env, PYTHONPATH: join(ROOT, '.cache', 'moto') }

export const hasMoto = spawnSync('python3', ['-c', 'import moto.server'], { env }).status === 0

if (!hasMoto) {
  console.warn(
    "Tests of S3 are skipped: moto is not here (pip3 install --target .cache/moto 'moto[server]').",
  )
}

/** Starts a server for a test and has the SDK use it. @returns its URL */
export async function startMoto(): Promise<string> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn('python3', ['-m', 'moto.server', '--port', String(port)], { env, stdio: 'ignore' })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  for (;;) {
    const answer = await fetch(url).catch(() => null)
    if (answer !== null) return url
    if (child.exitCode !== null) throw new Error(`moto ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return (address as { port: number }).port
}
