import type { MqttClient } from 'mqtt'
import { redacted, safeJson } from '../../base/listing.js'
import { importPeer } from '../../base/peer.js'
import { invalidOption } from '../../options/checks.js'
import { Bell } from '../../threads/bell.js'
import { Deliveries } from './deliveries.js'
import { type EventMessage, messagesOf } from './event-message.js'
import type { FrameReport, Sink } from './sink.js'

/** Events that are on their way to the broker at the same time. */
const MAX_IN_FLIGHT = 100
/** Milliseconds between tries to reach the broker, and for what is left at the end. */
const RECONNECT_PERIOD = 500
const CLOSING_PATIENCE = 10_000

export interface MqttOptions {
  /** What topics begin with. Defaults to `efficientdet`. */
  readonly prefix?: string
  /** What else the package `mqtt` takes, such as certificates. */
  readonly client?: Readonly<Record<string, unknown>>
}

/**
 * Publishes in the shape of Frigate's topics: `<prefix>/events`; counts of objects at `<prefix>/<stream>/<label>` and
 * `<prefix>/<zone>/<label>`; `<prefix>/available`, `online` or, as last will, `offline`.
 *
 * Events are delivered at least once (QoS 1): after a broken connection one may come twice. Needs the package `mqtt`.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION; ERR_PACKAGE_FILE without that package
 */
export async function mqtt(
  url: string,
  { prefix = 'efficientdet', client: more = {} }: MqttOptions = {},
): Promise<Sink> {
  if (!URL.canParse(url) || !/^(?:mqtts?|wss?):$/.test(new URL(url).protocol)) {
    throw invalidOption(
      'url',
      typeof url === 'string' ? redacted(url) : url,
      'an address of mqtt:, mqtts:, ws: or wss:',
    )
  }
  const { connect } = await importPeer('mqtt', () => import('mqtt'))
  const available = `${prefix}/available`
  const client: MqttClient = connect(url, {
    reconnectPeriod: RECONNECT_PERIOD,
    ...more,
    will: { topic: available, payload: Buffer.from('offline'), qos: 1, retain: true },
  })
  const deliveries = new Deliveries<EventMessage>()
  /** The newest count of each topic, and those that the broker has not been told. */
  const counts = new Map<string, number>()
  const untold = new Set<string>()
  const bell = new Bell()
  let inFlight = 0

  client.on('connect', () => {
    client.publish(available, 'online', { qos: 1, retain: true })
    for (const topic of counts.keys()) untold.add(topic)
    publish()
  })
  // It tries again by itself; what that costs is counted.
  client.on('error', () => {})

  function publish(): void {
    while (client.connected && inFlight < MAX_IN_FLIGHT && deliveries.size > 0) {
      const [event] = deliveries.take(1)
      inFlight++
      client.publish(`${prefix}/events`, safeJson(event), { qos: 1 }, (error) => {
        inFlight--
        if (error) deliveries.lose(1, `${redacted(url)} (${error.message})`)
        else deliveries.deliver(1)
        bell.ring()
        publish()
      })
    }
    if (!client.connected) return
    for (const topic of untold) client.publish(topic, String(counts.get(topic)), { retain: true })
    untold.clear()
  }

  function count({ stream, detections, counts: totals }: FrameReport): void {
    const found = new Map<string, number>()
    for (const { label, trackId } of detections) {
      if (trackId === null || trackId === undefined) continue
      const topic = `${prefix}/${level(stream)}/${level(label)}`
      found.set(topic, (found.get(topic) ?? 0) + 1)
    }
    for (const [zone, { classes }] of Object.entries(totals?.zones ?? {})) {
      for (const [label, { count }] of Object.entries(classes)) {
        found.set(`${prefix}/${level(zone)}/${level(label)}`, count)
      }
    }
    const mine = `${prefix}/${level(stream)}/`
    for (const topic of counts.keys()) if (topic.startsWith(mine) && !found.has(topic)) found.set(topic, 0)
    for (const [topic, number] of found) {
      if (counts.get(topic) === number) continue
      counts.set(topic, number)
      untold.add(topic)
    }
  }

  async function drain(): Promise<void> {
    const deadline = performance.now() + CLOSING_PATIENCE
    publish()
    while (deliveries.size + inFlight > 0) {
      if (!(await bell.wait(undefined, deadline - performance.now()))) break
    }
    deliveries.loseAll(`${redacted(url)} cannot be reached`)
  }

  return {
    draws: false,
    write(report) {
      deliveries.add(messagesOf(report))
      count(report)
      publish()
      return null
    },
    async end() {},
    async close() {
      await drain()
      if (client.connected)
        await client.publishAsync(available, 'offline', { qos: 1, retain: true }).catch(() => {})
      // Callbacks of what was never answered count it as lost.
      await client.endAsync(!client.connected).catch(() => {})
      deliveries.lose(inFlight, `${redacted(url)} cannot be reached`)
      inFlight = 0
    },
    get stats() {
      return {
        name: redacted(url),
        written: deliveries.written,
        lost: deliveries.lost,
        error: deliveries.error,
      }
    },
  }
}

/** A name as one level of a topic. */
function level(name: string): string {
  return name.replace(/[/+#\0]/g, '_')
}
