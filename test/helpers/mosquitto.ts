import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './checkpoints.js'
import { freePort } from './rtsp.js'

/** Whether mosquitto is installed, a broker of MQTT. */
export const hasMosquitto = spawnSync('mosquitto', ['-h']).error === undefined

if (!hasMosquitto) console.warn('Tests of MQTT are skipped: mosquitto is not installed.')

/** A broker that can be killed and started again. */
export class Broker {
  readonly port: number
  #process: ChildProcess | null = null

  readonly #config: string

  private constructor(port: number, config: string) {
    this.port = port
    this.#config = config
  }

  /** What it has taken, and who listens, it remembers beyond its death. */
  static async start(): Promise<Broker> {
    const folder = await temporaryFolder()
    const port = await freePort()
    const config = join(folder, 'mosquitto.conf')
    const lines = [
      ...[`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'user root'],
      ...[
        'persistence true',
        `persistence_location ${folder}/`,
        'autosave_on_changes true',
        'autosave_interval 1',
      ],
    ]
    await writeFile(config, `${lines.join('\n')}\n`)
    const broker = new Broker(port, config)
    await broker.start()
    onTestFinished(() => broker.kill())
    return broker
  }

  get url(): string {
    return `mqtt://user:secret@127.0.0.1:${this.port}`
  }

  /** Starts it, and waits until it listens. */
  async start(): Promise<void> {
    this.#process = spawn('mosquitto', ['-c', this.#config], { stdio: 'ignore' })
    while (!(await this.#listens())) await sleep(20)
  }

  /** After SIGTERM it knows all that it has acknowledged; SIGKILL may come before that is on the disk. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#process!.exitCode !== null || this.#process!.signalCode !== null) return
    this.#process!.kill(signal)
    await once(this.#process!, 'exit')
  }

  #listens(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
  }
}
