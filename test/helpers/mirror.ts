import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import type { OfficialModel } from '#lib/hub/official.js'
import { temporaryFolder } from './checkpoints.js'
import { random } from './random.js'

/** Half a megabyte: arrives in several pieces. */
const BYTES = 500_000

export const CONTENT = Buffer.from(
  Uint8Array.from(
    { length: BYTES },
    (
      (rng) => () =>
        rng.int(256)
    )(random(5)),
  ),
)

/** An official model whose weights are `CONTENT`. */
export const MODEL: OfficialModel = {
  name: 'd0',
  variant: 'd0',
  file: 'tf_efficientdet_d0_test.pth',
  maxBytes: BYTES,
  sha256: createHash('sha256').update(CONTENT).digest('hex'),
}

export interface Mirror {
  readonly url: string
  /** The Range header of every request so far, null where there was none. */
  readonly ranges: (string | null)[]
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A server of release files for the time of a test. */
export async function mirror(handler: Handler = serve): Promise<Mirror> {
  const ranges: (string | null)[] = []
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? null)
    handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  return { url: `http://127.0.0.1:${address.port}/v0.1`, ranges }
}

/** Answers as a good server does, ranges included. */
export function serve(request: IncomingMessage, response: ServerResponse, content = CONTENT): void {
  if (request.url !== `/v0.1/${MODEL.file}`) {
    response.writeHead(404).end()
    return
  }
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]
  if (start === undefined) {
    response.writeHead(200, { 'Content-Length': content.length }).end(content)
  } else if (Number(start) >= content.length) {
    response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end()
  } else {
    const rest = content.subarray(Number(start))
    const range = `bytes ${start}-${content.length - 1}/${content.length}`
    response.writeHead(206, { 'Content-Length': rest.length, 'Content-Range': range }).end(rest)
  }
}

/** Makes an empty folder the model cache for the time of a test. */
export async function emptyCache(): Promise<string> {
  const folder = join(await temporaryFolder(), 'cache')
  vi.stubEnv('EFFICIENTDET_CACHE', folder)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  return folder
}
