import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { endWithThread } from './children.js'

/** How a program ended. */
export interface Exit {
  /** Null where a signal ended it, or it did not start. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it did not start. */
  readonly error: Error | null
}

/** Milliseconds from SIGTERM to SIGKILL. */
const GRACE = 1000

const living = new Set<ChildProcess>()

/** A program that we started, which ends with us. */
export class Child {
  readonly process: ChildProcess
  /** Settles when the program has ended, and never rejects. */
  readonly exited: Promise<Exit>
  #exit: Exit | null = null

  constructor(file: string, args: readonly string[], stdio: StdioOptions) {
    // In a group of its own, so that Ctrl-C in a terminal reaches us alone, and files are ended as they should.
    this.process = spawn(file, args, { stdio, detached: true, windowsHide: true })
    endWithThread(this.process)
    if (living.size === 0) process.on('exit', killAll)
    living.add(this.process)
    this.exited = new Promise((resolve) => {
      const settle = (exit: Exit) => {
        this.#exit ??= exit
        living.delete(this.process)
        if (living.size === 0) process.off('exit', killAll)
        resolve(this.#exit)
      }
      this.process.on('error', (error) => {
        if (this.process.pid === undefined) settle({ code: null, signal: null, error })
      })
      this.process.once('exit', (code, signal) => settle({ code, signal, error: null }))
    })
  }

  /** How it ended, or null while it runs. */
  get exit(): Exit | null {
    return this.#exit
  }

  /** Ends the program, kindly first, and waits until it has gone. May be called again. */
  async end(grace = GRACE): Promise<Exit> {
    if (this.#exit === null) kill(this.process, 'SIGTERM')
    const controller = new AbortController()
    const killing = sleep(grace, null, { signal: controller.signal, ref: false }).then(
      // A stopped process hears no other signal.
      () => kill(this.process, 'SIGKILL'),
      () => {},
    )
    const exit = await this.exited
    controller.abort()
    await killing
    return exit
  }
}

function killAll(): void {
  for (const child of living) kill(child, 'SIGKILL')
}

/** Ends a program and what it has started, which is its group. */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has gone, or there are no groups here.
    child.kill(signal)
  }
}
