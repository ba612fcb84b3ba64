import { dirname } from 'node:path'
import { EfficientDetError } from '../../base/errors.js'
import { makeFolder } from '../../base/folder.js'
import { checkPath } from '../../options/checks.js'
import { findFfmpeg } from '../../video/ffmpeg.js'
import { formatOf, h264Of } from '../encoder.js'
import { Reel } from './reel.js'
import { pathOf, type Sink } from './sink.js'

/**
 * Video files of H.264 with boxes, ids, trails, zones and counts drawn in, one for each stream: `{stream}` in the path
 * stands for its name.
 *
 * A live stream that comes back with another size begins another file, `name-2.mp4`.
 *
 * @param options the program ffmpeg, as `openVideo` finds it by default
 * @throws EfficientDetError ERR_INVALID_OPTION, ERR_FFMPEG, ERR_OUTPUT
 */
export async function annotatedVideo(
  path: string,
  options: { readonly ffmpeg?: string } = {},
): Promise<Sink> {
  formatOf(checkPath('path', path))
  const ffmpeg = await findFfmpeg(options.ffmpeg ?? null)
  const codec = await h264Of(ffmpeg)
  await makeFolder(dirname(path)).catch((cause: Error) => {
    throw new EfficientDetError('ERR_OUTPUT', `${dirname(path)} cannot be made (${cause.message}).`, {
      cause,
    })
  })
  const reels = new Map<string, Reel>()
  const sum = (count: (reel: Reel) => number) =>
    [...reels.values()].reduce((all, reel) => all + count(reel), 0)
  return {
    draws: true,
    write(report, picture) {
      if (picture === null) return null
      let reel = reels.get(report.stream)
      if (reel === undefined) {
        reel = new Reel(pathOf(path, report.stream), ffmpeg, codec)
        reels.set(report.stream, reel)
      }
      return reel.write(report, picture)
    },
    async end(stream) {
      await reels.get(stream)?.end()
    },
    async close() {
      await Promise.all([...reels.values()].map((reel) => reel.end()))
    },
    get stats() {
      const error = [...reels.values()].find((reel) => reel.error !== null)?.error ?? null
      return { name: path, written: sum(({ written }) => written), lost: sum(({ lost }) => lost), error }
    },
  }
}
