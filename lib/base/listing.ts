/** Text from outside, as it may stand in messages and on a terminal. */

/** Names for a message: at most ten (or `most`), the rest counted, and of each at most 200 letters. */
export function listing(names: readonly string[], most = 10): string {
  const shown = names.slice(0, most).map((name) => (name === '' ? '""' : abridged(name)))
  return shown.join(', ') + (names.length > most ? ` and ${names.length - most} more` : '')
}

/** Letters that are looked at, at either end: files may hold texts of megabytes. */
const LOOKED_AT = 2 ** 15

/**
 * Text as one line that steers no terminal and tells no secret: control and invisible characters become `\u202e` and
 * the like, URLs `redacted`.
 *
 * A long text loses its middle, for the end of a path tells the file. Doing so twice changes nothing.
 */
export function abridged(text: string, most = 200): string {
  const near = text.length > 2 * LOOKED_AT ? withoutMiddle(text) : text
  const harmless = near.replace(URL_IN_TEXT, redacted).replace(UNSAFE, escaped)
  if (harmless.length <= most) return harmless
  const tail = Math.floor(most / 3)
  // A sign of two units may have lost one of them.
  return `${harmless.slice(0, most - tail - 1)}…${harmless.slice(-tail)}`.replace(/\p{Cs}/gu, '')
}

/** The second part may begin within a URL: up to a space it is left out. */
function withoutMiddle(text: string): string {
  return `${text.slice(0, LOOKED_AT)}…${text.slice(-LOOKED_AT).replace(/^\S+/, '')}`
}

/** What moves the cursor, turns the direction, or is not seen at all; joiners belong to words and emoji. */
const UNSAFE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/gu

function escaped(sign: string): string {
  const number = sign.codePointAt(0)!.toString(16)
  return number.length > 4 ? `\\u{${number}}` : `\\u${number.padStart(4, '0')}`
}

const URL_IN_TEXT = /(?:(?:https?|ftp|wss?):|[a-z][a-z\d+.-]{1,30}:\/\/)\S+/gi

/** A host, and maybe a port. */
const HOST = /^(?:\[[\da-f:.]+\]|[^\s:@/\\?#]*)(?::\d*)?(?:[/\\?#]|$)/i

/** A URL without what may be secret: user, password, query and fragment. Those of files are names, and stay. */
export function redacted(url: string): string {
  const [, scheme, rest] = /^([a-z][a-z\d+.-]*:[/\\]*)(.*)$/is.exec(url) ?? []
  if (scheme === undefined || rest === undefined || /^file:/i.test(scheme)) return url
  const end = rest.search(/[/\\?#]/)
  const after = rest.slice(rest.lastIndexOf('@', end < 0 ? rest.length : end) + 1)
  // A password that was not encoded may hold any sign.
  const open = HOST.test(after) ? after : after.slice(after.lastIndexOf('@') + 1)
  return scheme + open.replace(/[?#].*$/s, '?…')
}

/** JSON whose texts steer no terminal either: the same signs are escaped, as JSON does it. */
export function safeJson(value: unknown, indent?: number): string {
  const units = (sign: string) =>
    Array.from({ length: sign.length }, (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, '0')}`)
  // Line ends that are left are those between values.
  return JSON.stringify(value, null, indent).replace(UNSAFE, (sign) =>
    sign === '\n' ? sign : units(sign).join(''),
  )
}
