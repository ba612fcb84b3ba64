import type { FileHandle } from 'node:fs/promises'
import { unescape as percentDecoded } from 'node:querystring'
import { redacted } from '../base/listing.js'

export interface DownloadOptions {
  /** What is longer is not what was asked for. */
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
  /** Bytes so far, and of the whole file where the server tells. */
  readonly onProgress: (received: number, total: number | null) => void
}

/** How a download ended: with the whole from its beginning, with the rest of what was there, or with too much. */
export type DownloadOutcome = 'begun' | 'continued' | 'too long'

/**
 * Fetches a file into an open one, of which it has the beginning already, or nothing.
 *
 * @throws what the network, the file or the server's answer was wrong with, as an Error; the signal's reason
 */
export async function download(
  url: URL,
  file: FileHandle,
  { maxBytes, signal, onProgress }: DownloadOptions,
): Promise<DownloadOutcome> {
  const begun = (await file.stat()).size
  const patience = new Patience()
  try {
    const response = await request(
      url,
      begun,
      AbortSignal.any([patience.signal, ...(signal ? [signal] : [])]),
    )
    // The server has nothing beyond what is here: the sum will tell whether that is all.
    if (response.status === 416) return 'continued'
    const body = bodyOf(response)
    const isContinued = response.status === 206
    if (isContinued && !response.headers.get('content-range')?.startsWith(`bytes ${begun}-`)) {
      throw new Error('the server gave another part of the file than the one that was asked for')
    }
    if (!isContinued) await file.truncate(0)
    let received = isContinued ? begun : 0
    const length = Number(response.headers.get('content-length'))
    const total = length > 0 ? received + length : null
    if (total !== null && total > maxBytes) return 'too long'
    for await (const bytes of body) {
      if (received + bytes.length > maxBytes) return 'too long'
      const position = received
      received += bytes.length
      patience.reward(bytes.length)
      onProgress(received, total)
      await writeAll(file, bytes, position)
    }
    await file.sync()
    return isContinued ? 'continued' : 'begun'
  } finally {
    patience.end()
  }
}

/** @throws Error for anything but a body as it is stored: a compressed one has no known length */
function bodyOf({ ok, status, statusText, headers, body }: Response): NonNullable<Response['body']> {
  if (!ok || body === null) throw new Error(`the server answered ${status} ${statusText}`)
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity')
    throw new Error(`the server answered in the encoding ${encoding}, which was not asked for`)
  return body
}

const REDIRECTIONS = [301, 302, 303, 307, 308]
const MAX_REDIRECTIONS = 5

/** Follows redirections itself: `fetch` would also follow those from https to http. */
async function request(url: URL, begun: number, signal: AbortSignal): Promise<Response> {
  const authorization = credentialsOf(url)
  let at = withoutCredentials(url)
  for (let i = 0; i <= MAX_REDIRECTIONS; i++) {
    const response = await fetch(at, {
      signal,
      redirect: 'manual',
      headers: {
        'Accept-Encoding': 'identity',
        ...(begun > 0 && { Range: `bytes=${begun}-` }),
        ...(authorization !== null && at.origin === url.origin && { Authorization: authorization }),
      },
    })
    const location = REDIRECTIONS.includes(response.status) ? response.headers.get('location') : null
    if (location === null) return response
    await response.body?.cancel()
    // An error of `URL` would carry the text, which may hold secrets.
    if (!URL.canParse(location, at.href)) throw new Error('the server redirects to what is no URL')
    const next = new URL(location, at)
    if (next.protocol !== at.protocol && next.protocol !== 'https:') {
      throw new Error(`the server redirects to ${redacted(next.href)}, of another protocol`)
    }
    at = withoutCredentials(next)
  }
  throw new Error(`the server redirects more than ${MAX_REDIRECTIONS} times`)
}

/** HTTP's basic authentication; `fetch` takes no URL with a password. */
function credentialsOf({ username, password }: URL): string | null {
  if (username === '' && password === '') return null
  const text = `${percentDecoded(username)}:${percentDecoded(password)}`
  return `Basic ${Buffer.from(text).toString('base64')}`
}

function withoutCredentials(url: URL): URL {
  const copy = new URL(url)
  copy.username = ''
  copy.password = ''
  return copy
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}

/** What a server must give within what time, from the first word on; a telephone line gives more. */
const LEAST_BYTES = 2 ** 18
const PATIENCE_MS = 60_000

/** Ends a download that stands still or drips. */
class Patience {
  readonly #controller = new AbortController()
  #timer = this.#begin()
  #bytes = 0

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  reward(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < LEAST_BYTES) return
    this.#bytes = 0
    clearTimeout(this.#timer)
    this.#timer = this.#begin()
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #begin(): NodeJS.Timeout {
    return setTimeout(() => {
      const reason = `the server gave less than ${LEAST_BYTES / 1024} KiB in ${PATIENCE_MS / 1000} seconds`
      this.#controller.abort(new Error(reason))
    }, PATIENCE_MS)
  }
}
