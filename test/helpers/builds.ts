import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lockBuilds } from '#lib/engines/build-lock.js'
import { enginesFolder } from '#lib/engines/cache.js'
import { temporaryFile } from './checkpoints.js'
import { MAIN } from './cli.js'

/** Files of engines in a cache folder, and those that are neither engines nor timing caches. */
export async function kept(cache: string): Promise<{ engines: string[]; others: string[] }> {
  const names = await readdir(join(cache, 'engines')).catch(() => [])
  return {
    engines: names.filter((name) => name.endsWith('.engine')),
    others: names.filter((name) => !/\.(engine|timing)$/.test(name)),
  }
}

/** Has the fake backend wait half way through a build, in a load or in every batch, for `letGo` or for the test's end. */
export async function held(
  what: 'build' | 'load' | 'batches',
): Promise<{ readonly behaviour: string; letGo(): void }> {
  const path = await temporaryFile('', 'hold')
  return { behaviour: `hold_${what}=${path}`, letGo: () => rmSync(path, { force: true }) }
}

/** A promise, and what fulfils it. */
export function eventOf<T>(): { readonly promise: Promise<T>; happened(value: T): void } {
  let happened: (value: T) => void
  const promise = new Promise<T>((resolve) => (happened = resolve))
  return { promise, happened: happened! }
}

/** Settles when somebody builds into the cache folder. */
export async function buildBegins(): Promise<void> {
  const controller = new AbortController()
  while (!controller.signal.aborted) {
    const lock = await lockBuilds(enginesFolder(), controller.signal, ({ fraction }) => {
      if (fraction > 0) controller.abort()
    }).catch(() => null)
    await lock?.release()
    await sleep(10)
  }
}

/** Runs a command that builds an engine with the fake backend, and sends it Ctrl-C when it has begun. */
export async function interruptBuild(args: readonly string[]) {
  const { behaviour } = await held('build')
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, FAKE_BACKEND: behaviour },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  await buildBegins()
  child.kill('SIGINT')
  return { ...(await exited), output }
}
