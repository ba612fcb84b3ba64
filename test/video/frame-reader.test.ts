import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type FrameReader, openFramePipe } from '#lib/video/frame-reader.js'
import { hasNative } from '../helpers/native.js'

const BYTES = 100_000

/** A program that writes frames of one value each: those that it is told to, as numbers on its standard input. */
const WRITER = `
process.stdin.on('data', (text) => {
  for (const value of String(text).trim().split(' ')) {
    process.stdout.write(Buffer.alloc(value === 'half' ? ${BYTES / 2} : ${BYTES}, Number(value)))
  }
})`

class Reading {
  readonly reader: FrameReader
  readonly #child: ChildProcess
  #wake = () => {}

  constructor(plain: boolean, newestWins: boolean) {
    const pipe = openFramePipe(plain)
    this.#child = spawn(process.execPath, ['--eval', WRITER], { stdio: ['pipe', pipe.stdout, 'inherit'] })
    pipe.started(this.#child.stdout)
    this.reader = pipe.read(BYTES, newestWins, () => this.#wake())
    onTestFinished(() => {
      this.reader.close()
      this.#child.kill()
    })
  }

  write(text: string): void {
    this.#child.stdin!.write(`${text}\n`)
  }

  async end(): Promise<void> {
    this.#child.stdin!.end()
    await once(this.#child, 'exit')
  }

  /** Waits until something is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async next(): Promise<{ value: number; index: number }> {
    for (;;) {
      const taken = this.reader.take()
      if (taken === null) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      const [data, index] = taken
      expect(new Set(data).size).toBe(1)
      const value = data[0]
      this.reader.lend(data)
      return { value, index }
    }
  }
}

describe.each(
  hasNative
    ? ([
        ['of the addon', false],
        ['of streams', true],
      ] as const)
    : ([['of streams', true]] as const),
)('the reader %s', (_, plain) => {
  it('gives each frame in its order, however late memory comes', async () => {
    const reading = new Reading(plain, false)
    reading.write('1 2 3 4 5 6')
    reading.reader.lend(new Uint8Array(BYTES))
    for (let i = 1; i <= 6; i++) expect(await reading.next()).toEqual({ value: i, index: i - 1 })
    expect(reading.reader.state()).toEqual([0, 0, expect.any(Number), 0])
  })

  it('gives the newest frame where it wins, and counts the others', async () => {
    const reading = new Reading(plain, true)
    for (let i = 0; i < 3; i++) reading.reader.lend(new Uint8Array(BYTES))
    reading.write('1 2 3 4 5 6 7 8 9')
    await reading.end()
    await reading.until(() => reading.reader.state()![0] === 1)
    expect(await reading.next()).toEqual({ value: 9, index: 8 })
    expect(reading.reader.take()).toBeNull()
    expect(reading.reader.state()).toEqual([1, 0, 0, 8])
  })

  it('tells the end, and what is left of a frame', async () => {
    const reading = new Reading(plain, false)
    for (let i = 0; i < 2; i++) reading.reader.lend(new Uint8Array(BYTES))
    reading.write('1 half')
    await reading.end()
    await reading.until(() => reading.reader.state()![0] === 1)
    expect(reading.reader.state()).toEqual([1, 0, BYTES / 2, 0])
    expect(await reading.next()).toEqual({ value: 1, index: 0 })
    reading.reader.close()
    expect(reading.reader.state()).toBeNull()
  })
})
