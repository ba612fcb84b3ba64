import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { EfficientDetError } from '../base/errors.js'
import { abridged } from '../base/listing.js'

/** The user's ffmpeg: a separate program, for its libraries are under the GPL in most builds. */
export interface Ffmpeg {
  /** As it is started. */
  readonly path: string
  /** As it calls itself, such as `5.1.9-0+deb12u1`. */
  readonly version: string
}

/** ffmpeg 5.1 by the version of its libavutil, which builds from git have too: `-fps_mode` came with it. */
const OLDEST_LIBAVUTIL = [57, 28] as const
const OLDEST = '5.1'

/** Milliseconds that ffmpeg may take to say what it is. */
const PATIENCE = 10_000

const REMEDY = `Install ffmpeg ${OLDEST} or newer (apt install ffmpeg), or name it in EFFICIENTDET_FFMPEG.`

const found = new Map<string, Promise<Ffmpeg>>()

/**
 * Finds ffmpeg and asks its version, once for each path.
 *
 * @param path as the caller gave it, or null for EFFICIENTDET_FFMPEG or the one on the PATH
 * @throws EfficientDetError ERR_FFMPEG
 */
export function findFfmpeg(path: string | null): Promise<Ffmpeg> {
  const program = path ?? (process.env.EFFICIENTDET_FFMPEG || 'ffmpeg')
  const known = found.get(program)
  if (known !== undefined) return known
  const asking = ask(program)
  found.set(program, asking)
  // It may be installed by the next time.
  asking.catch(() => found.delete(program))
  return asking
}

async function ask(path: string): Promise<Ffmpeg> {
  const text = await outputOf(path, ['-version'])
  const version = /^ffmpeg version (\S+)/m.exec(text)?.[1]
  const libavutil = /^libavutil +(\d+)\. *(\d+)\./m.exec(text)
  if (version === undefined || libavutil === null) {
    throw new EfficientDetError('ERR_FFMPEG', `${path} does not say that it is ffmpeg. ${REMEDY}`)
  }
  const [major, minor] = [Number(libavutil[1]), Number(libavutil[2])]
  const [oldMajor, oldMinor] = OLDEST_LIBAVUTIL
  if (major < oldMajor || (major === oldMajor && minor < oldMinor)) {
    throw new EfficientDetError(
      'ERR_FFMPEG',
      `${path} is ffmpeg ${abridged(version, 80)}, which is too old. ${REMEDY}`,
    )
  }
  return { path, version: abridged(version, 80) }
}

/** What ffmpeg prints. @throws EfficientDetError ERR_FFMPEG */
async function outputOf(path: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['-hide_banner', ...args], {
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 22,
    })
    return stdout
  } catch (cause) {
    const { code, killed } = cause as NodeJS.ErrnoException & { killed?: boolean }
    const reason =
      code === 'ENOENT'
        ? 'is not there'
        : killed
          ? `does not answer within ${PATIENCE / 1000} s`
          : 'does not run'
    throw new EfficientDetError('ERR_FFMPEG', `${path} ${reason}. ${REMEDY}`, { cause })
  }
}

/** Decoders and encoders that ffmpeg was built with, by name. @throws EfficientDetError ERR_FFMPEG */
export async function codecsOf(
  { path }: Ffmpeg,
  kind: 'decoders' | 'encoders',
): Promise<ReadonlySet<string>> {
  const text = await outputOf(path, [`-${kind}`])
  return new Set(Array.from(text.matchAll(/^ [VAS.][F.][S.][X.][B.][D.] (\S+)/gm), (match) => match[1]))
}

/** Ways to hardware that ffmpeg was built with, such as `cuda`. @throws EfficientDetError ERR_FFMPEG */
export async function accelerationsOf({ path }: Ffmpeg): Promise<readonly string[]> {
  const text = await outputOf(path, ['-hwaccels'])
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** Why NVDEC cannot be used, or null if it may be tried. @throws EfficientDetError ERR_FFMPEG */
export async function nvdecObstacle(ffmpeg: Ffmpeg): Promise<string | null> {
  if (!existsSync('/dev/nvidiactl')) return 'this machine has no NVIDIA GPU that ffmpeg can decode on'
  return (await accelerationsOf(ffmpeg)).includes('cuda') ? null : 'this ffmpeg was built without CUDA'
}
