import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/index.js'
import { openVideo } from '#lib/video.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { clip, hasFfmpeg, picture } from '../helpers/ffmpeg.js'
import { random } from '../helpers/random.js'
import { decoders } from '../helpers/watched.js'

const FILES = 200

/** Half of them lose their end, the others have bits flipped, few or many; some both. */
function mutated(bytes: Uint8Array, seed: number): Uint8Array {
  const { int } = random(seed)
  const copy = Uint8Array.from(bytes)
  if (seed % 3 !== 0) {
    for (let i = 2 ** int(10); i > 0; i--) copy[int(copy.length)] ^= 1 << int(8)
  }
  return seed % 3 === 1 ? copy : copy.subarray(0, int(copy.length))
}

describe.runIf(hasFfmpeg)('a damaged MP4', () => {
  it(`gives frames or a typed error, and comes to an end: ${FILES} files`, async () => {
    const sources = await Promise.all([
      clip('a.mp4', ...picture('96x64', 2), '-g', '10'),
      clip('b.mp4', ...picture('96x64', 2), '-movflags', '+faststart', '-bf', '2'),
    ])
    const originals = await Promise.all(sources.map((path) => readFile(path)))
    const folder = await temporaryFolder()
    let whole = 0
    let refused = 0
    for (let seed = 0; seed < FILES; seed++) {
      const path = join(folder, `${seed}.mp4`)
      await writeFile(path, mutated(originals[seed % 2], seed))
      let frames = 0
      let last = Number.NEGATIVE_INFINITY
      try {
        await using video = await openVideo(path, { timeout: 60 })
        for await (const { source, context } of video) {
          expect(source.data).toHaveLength(source.width * source.height * 1.5)
          expect(context.time).toBeGreaterThanOrEqual(last)
          last = context.time
          frames++
          context.release()
        }
        whole++
      } catch (error) {
        expect(error).toBeInstanceOf(EfficientDetError)
        expect((error as EfficientDetError).code).toBe('ERR_VIDEO')
        refused++
      }
      expect(frames).toBeLessThan(1000)
    }
    expect(decoders()).toEqual([])
    console.log(`${whole} were read to their end, ${refused} were refused`)
    expect(whole).toBeGreaterThan(FILES / 10)
    expect(refused).toBeGreaterThan(FILES / 10)
  }, 600_000)
})
