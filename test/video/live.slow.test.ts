import { describe, expect, it } from 'vitest'
import { hasFfmpeg } from '../helpers/ffmpeg.js'
import { Camera, hasRtspServer } from '../helpers/rtsp.js'
import { decoders, openFiles, Watched } from '../helpers/watched.js'

const KILLS = 30
const FREEZES = 10

describe.runIf(hasFfmpeg && hasRtspServer)('a camera that goes again and again', () => {
  it(`comes back after ${KILLS} kills and ${FREEZES} freezes, with nothing left behind, and disturbs no other`, async () => {
    const [camera, other] = await Promise.all([Camera.start(), Camera.start()])
    const watched = await Watched.open(camera.url, { timeout: 2 })
    const beside = await Watched.open(other.url, { timeout: 30 })
    await watched.until(() => watched.frames > 0)
    await beside.until(() => beside.frames > 0)
    const files = openFiles()
    const memory: number[] = []
    const delays: number[] = []
    for (let round = 1; round <= KILLS + FREEZES; round++) {
      const before = beside.frames
      const lost = watched.count('lost')
      const dropped = beside.video.stats.dropped
      if (round % 4 === 0) {
        camera.freeze()
        await watched.until(() => watched.count('lost') > lost)
        camera.thaw()
      } else {
        await camera.kill()
        await watched.until(() => watched.count('lost') > lost)
        await camera.start()
      }
      const back = performance.now()
      await watched.back()
      delays.push(performance.now() - back)
      expect(beside.frames).toBeGreaterThan(before)
      expect(beside.video.stats.dropped - dropped).toBeLessThan(beside.frames - before)
      memory.push(process.memoryUsage.rss() / 2 ** 20)
    }
    expect(watched.video.stats.reconnections).toBeGreaterThanOrEqual(KILLS + FREEZES)
    expect(beside.statuses).toEqual([])
    expect(decoders().filter(({ zombie }) => zombie)).toEqual([])
    expect(decoders()).toHaveLength(2)
    expect(openFiles()).toBeLessThanOrEqual(files)
    const grown = memory.at(-1)! - memory[10]
    delays.sort((a, b) => a - b)
    console.log(
      `back after ${delays[delays.length >> 1].toFixed(0)} ms (median), ${delays.at(-1)!.toFixed(0)} ms (longest) of the server's return; memory grew by ${grown.toFixed(1)} MiB in ${memory.length - 11} rounds`,
    )
    expect(grown).toBeLessThan(32)
  }, 600_000)
})
