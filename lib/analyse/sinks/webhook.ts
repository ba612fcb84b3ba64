import { setTimeout as sleep } from 'node:timers/promises'
import { redacted } from '../../base/listing.js'
import { invalidOption } from '../../options/checks.js'
import { Bell } from '../../threads/bell.js'
import { Deliveries } from './deliveries.js'
import { type EventMessage, messagesOf } from './event-message.js'
import type { Sink } from './sink.js'

/** Events of one request. */
const MAX_BATCH = 100
/** Tries of a request, and milliseconds of the pause after the first; each is twice the one before. */
const TRIES = 6
const FIRST_PAUSE = 250
/** Milliseconds for an answer. */
const PATIENCE = 10_000
/** Milliseconds for what is left at the end. */
const CLOSING_PATIENCE = 15_000

/**
 * Posts events as JSON, `{ "events": [...] }`, in order and one request at a time. What is refused or not answered is
 * tried again some times, then lost and counted.
 *
 * A receiver that answered too late may hear of an event twice: its `id` and `type` tell.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION
 */
export function webhook(
  url: string,
  options: { readonly headers?: Readonly<Record<string, string>> } = {},
): Sink {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalidOption('url', typeof url === 'string' ? redacted(url) : url, 'an address of http: or https:')
  }
  const deliveries = new Deliveries<EventMessage>()
  const closing = new AbortController()
  const bell = new Bell()
  let isOpen = true
  const working = work()

  async function work(): Promise<void> {
    for (;;) {
      const events = deliveries.take(MAX_BATCH)
      if (events.length > 0) await deliver(events)
      else if (isOpen) await bell.wait(undefined, Number.POSITIVE_INFINITY)
      else return
    }
  }

  async function deliver(events: readonly EventMessage[]): Promise<void> {
    let reason = ''
    for (let i = 0; i < TRIES && !closing.signal.aborted; i++) {
      reason = (await post(events)) ?? ''
      if (reason === '') return deliveries.deliver(events.length)
      await sleep(FIRST_PAUSE * 2 ** i, null, { signal: closing.signal, ref: isOpen }).catch(() => {})
    }
    deliveries.lose(events.length, `${redacted(url)} ${reason || 'was given up'}`)
  }

  /** Why a request failed, or null. */
  async function post(events: readonly EventMessage[]): Promise<string | null> {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...options.headers },
        body: JSON.stringify({ events }),
        redirect: 'error',
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(PATIENCE)]),
      })
      await response.body?.cancel()
      return response.ok ? null : `answers ${response.status}`
    } catch (error) {
      const { name, cause } = error as Error
      return name === 'TimeoutError'
        ? 'does not answer'
        : `cannot be reached (${(cause as Error)?.message ?? name})`
    }
  }

  return {
    draws: false,
    write(report) {
      if (report.events.length > 0) {
        deliveries.add(messagesOf(report))
        bell.ring()
      }
      return null
    },
    async end() {},
    async close() {
      isOpen = false
      bell.ring()
      const timer = setTimeout(() => closing.abort(), CLOSING_PATIENCE)
      await working
      clearTimeout(timer)
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
