import { connect, type MqttClient } from 'mqtt'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type EventMessage, mqtt } from '#lib/video.js'
import { Broker, hasMosquitto } from '../helpers/mosquitto.js'
import { refusal } from '../helpers/refusal.js'
import { freePort } from '../helpers/rtsp.js'
import { reportOf } from '../helpers/sink-reports.js'

/** A receiver of everything, and what it has heard. */
class Receiver {
  readonly heard: { readonly topic: string; readonly text: string }[] = []
  readonly client: MqttClient
  #wake = () => {}

  private constructor(client: MqttClient) {
    this.client = client
    client.on('message', (topic, payload) => {
      this.heard.push({ topic, text: String(payload) })
      this.#wake()
    })
  }

  static async connect(url: string): Promise<Receiver> {
    const client = connect(url, { reconnectPeriod: 50, clean: false, clientId: 'receiver' })
    const receiver = new Receiver(client)
    onTestFinished(() => client.endAsync(true))
    await client.subscribeAsync('#', { qos: 1 })
    return receiver
  }

  get events(): EventMessage[] {
    return this.heard.filter(({ topic }) => topic === 'cams/events').map(({ text }) => JSON.parse(text))
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

describe.runIf(hasMosquitto)('MQTT', () => {
  it("has Frigate's topics: events, counts, whether it is there", async () => {
    const broker = await Broker.start()
    const receiver = await Receiver.connect(broker.url)
    const sink = await mqtt(broker.url, { prefix: 'cams' })
    sink.write(
      reportOf(1, [
        ['new', 1],
        ['new', 2],
      ]),
      null,
    )
    await receiver.until(() => receiver.events.length === 2)
    sink.write(
      reportOf(2, [
        ['end', 1],
        ['end', 2],
      ]),
      null,
    )
    await sink.close()
    await receiver.until(() => receiver.heard.some(({ text }) => text === 'offline'))
    const of = (name: string) => receiver.heard.filter(({ topic }) => topic === name).map(({ text }) => text)
    expect(of('cams/available')).toEqual(['online', 'offline'])
    expect(of('cams/door/person')).toEqual(['2', '0'])
    expect(receiver.events.map(({ type }) => type)).toEqual(['new', 'new', 'end', 'end'])
    expect(receiver.events[2]).toMatchObject({
      before: { camera: 'door', label: 'person', end_time: null },
      after: {
        id: '1001.000-door-1',
        start_time: 1001,
        end_time: 1002,
        box: [1, 2, 3, 4],
        current_zones: [],
      },
    })
    expect(sink.stats).toEqual({
      name: expect.not.stringContaining('secret'),
      written: 4,
      lost: 0,
      error: null,
    })
  })

  it('says that it has gone, though it was killed', async () => {
    const broker = await Broker.start()
    const receiver = await Receiver.connect(broker.url)
    const sink = await mqtt(broker.url, {
      prefix: 'cams',
      client: { clientId: 'killed', reconnectPeriod: 0 },
    })
    await receiver.until(() => receiver.heard.some(({ text }) => text === 'online'))
    // A second client of the same name has the broker cut the first one off.
    const other = connect(broker.url, { clientId: 'killed' })
    onTestFinished(() => other.endAsync(true))
    await receiver.until(() => receiver.heard.some(({ text }) => text === 'offline'))
    void sink
  })

  it('delivers one end for each new, or counts what is lost, though the broker ends on the way', async () => {
    const broker = await Broker.start()
    const receiver = await Receiver.connect(broker.url)
    const sink = await mqtt(broker.url, { prefix: 'cams' })
    let last = 0
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 200; i++, last++) {
        sink.write(reportOf(last, [['new', last]]), null)
        sink.write(reportOf(last, [['end', last]]), null)
      }
      const before = receiver.heard.length
      await broker.kill('SIGTERM')
      await broker.start()
      await receiver.until(() => receiver.heard.length > before)
    }
    await sink.close()
    expect(sink.stats).toMatchObject({ written: 2 * last, lost: 0 })
    // A broken connection may have one told twice: its id and type tell.
    const ids = (type: string) =>
      new Set(receiver.events.filter((event) => event.type === type).map(({ after }) => after.id))
    await receiver.until(() => ids('end').size === last)
    expect(ids('new')).toEqual(ids('end'))
  })

  it('neither waits for a broker that is away nor holds more than it can, and counts what is lost', async () => {
    const sink = await mqtt(`mqtt://127.0.0.1:${await freePort()}`, { prefix: 'cams' })
    for (let i = 0; i < 10_500; i++) expect(sink.write(reportOf(i, [['new', i]]), null)).toBeNull()
    expect(sink.stats).toMatchObject({ written: 0, lost: 500, error: { code: 'ERR_OUTPUT' } })
    await sink.close()
    expect(sink.stats.lost).toBe(10_500)
  })

  it('refuses what is no address', async () => {
    await expect(mqtt('http://user:secret@host')).rejects.toEqual(
      refusal('ERR_INVALID_OPTION', /^(?!.*secret).*an address of mqtt:/),
    )
  })
})
