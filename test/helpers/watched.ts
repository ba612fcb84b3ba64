import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { openVideo, type Video, type VideoFrame, type VideoOptions, type VideoStatus } from '#lib/video.js'

/** A live source whose frames are taken as they come, and what it tells. */
export class Watched {
  readonly video: Video
  readonly statuses: VideoStatus[]
  frames = 0
  last: VideoFrame['context'] | null = null
  #wake = () => {}

  private constructor(video: Video, statuses: VideoStatus[]) {
    this.video = video
    this.statuses = statuses
    void this.#take()
  }

  static async open(url: string, options: VideoOptions = {}): Promise<Watched> {
    const statuses: VideoStatus[] = []
    let watched: Watched | null = null
    const onStatus = (status: VideoStatus) => {
      statuses.push(status)
      watched?.changed()
    }
    const video = await openVideo(url, { ...options, onStatus })
    watched = new Watched(video, statuses)
    onTestFinished(() => video.close())
    return watched
  }

  async #take(): Promise<void> {
    for await (const { context } of this.video) {
      this.frames++
      this.last = context
      context.release()
      this.changed()
    }
  }

  changed(): void {
    this.#wake()
  }

  /** Waits until something is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Waits until frames come again after it was lost. */
  async back(): Promise<void> {
    const { frames } = this
    await this.until(() => this.statuses.at(-1)?.state === 'connected' && this.frames > frames)
  }

  count(state: VideoStatus['state']): number {
    return this.statuses.filter((status) => status.state === state).length
  }
}

/** File descriptors of this process. */
export function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}

/** Programs that this process has started, by id: those that decode, and those that ended and were not collected. */
export function decoders(): { readonly pid: number; readonly zombie: boolean }[] {
  const listed = execFileSync('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)], { encoding: 'utf8' })
  return listed
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([, name]) => name === 'ffmpeg')
    .map(([pid, , state]) => ({ pid: Number(pid), zombie: state === '<defunct>' }))
}
