import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type EventMessage, webhook } from '#lib/video.js'
import { refusal } from '../helpers/refusal.js'
import { freePort } from '../helpers/rtsp.js'
import { reportOf } from '../helpers/sink-reports.js'

/** A receiver that answers as it is told, and the events of requests that it took. */
async function receiver(answer: (request: number, response: ServerResponse) => boolean) {
  const events: EventMessage[] = []
  let requests = 0
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = ''
    for await (const piece of request) text += piece
    if (answer(requests++, response)) events.push(...JSON.parse(text).events)
  })
  const port = await freePort()
  server.listen(port, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${port}/hook`, events }
}

function take(response: ServerResponse): boolean {
  response.end('ok')
  return true
}

function refuse(response: ServerResponse, status: number): boolean {
  response.writeHead(status).end()
  return false
}

function send(sink: ReturnType<typeof webhook>, objects: number): void {
  for (let i = 0; i < objects; i++) {
    expect(sink.write(reportOf(i, [['new', i]]), null)).toBeNull()
    expect(sink.write(reportOf(i, [['end', i]]), null)).toBeNull()
  }
}

describe('a webhook', () => {
  it.each([
    ['answers', () => true],
    ['answers 500 now and then', (request: number) => request % 3 !== 1],
    ['answers 500 at first', (request: number) => request > 2],
  ])('delivers one end for each new, in order, where the receiver %s', async (_, takes) => {
    const { url, events } = await receiver((request, response) =>
      takes(request) ? take(response) : refuse(response, 500),
    )
    const sink = webhook(url, { headers: { authorization: 'Bearer x' } })
    send(sink, 300)
    await sink.close()
    expect(sink.stats).toMatchObject({ written: 600, lost: 0, error: null })
    expect(events.map(({ type, after }) => `${type} ${after.id}`)).toEqual(
      Array.from({ length: 300 }, (_, i) => [
        `new ${1000 + i}.000-door-${i}`,
        `end ${1000 + i}.000-door-${i}`,
      ]).flat(),
    )
  })

  it('waits for a slow receiver, without anybody waiting for it', async () => {
    let answerFirst = () => {}
    const { url, events } = await receiver((request, response) => {
      if (request > 0) return take(response)
      answerFirst = () => response.end()
      return true
    })
    const sink = webhook(url)
    send(sink, 10)
    const closing = sink.close()
    while (events.length === 0) await new Promise((resolve) => setImmediate(resolve))
    answerFirst()
    await closing
    expect(sink.stats).toMatchObject({ written: 20, lost: 0 })
  })

  it('gives up in the end where nobody answers well, and counts what is lost', async () => {
    const { url } = await receiver((_, response) => refuse(response, 503))
    const sinks = [webhook(url), webhook(`http://127.0.0.1:${await freePort()}/`)]
    for (const sink of sinks) send(sink, 5)
    await Promise.all(sinks.map((sink) => sink.close()))
    expect(sinks.map(({ stats }) => stats)).toMatchObject([
      { written: 0, lost: 10, error: { message: expect.stringMatching(/answers 503/) } },
      { written: 0, lost: 10, error: { message: expect.stringMatching(/cannot be reached .*ECONNREFUSED/) } },
    ])
  })

  it('refuses what is no address', () => {
    expect(() => webhook('ftp://user:secret@host/')).toThrow(
      refusal('ERR_INVALID_OPTION', /^(?!.*secret).*an address of http:/),
    )
  })
})
