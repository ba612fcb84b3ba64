import { describe, expect, it } from 'vitest'
import { EfficientDetError } from '#lib/base/errors.js'
import { abridged, listing, redacted, safeJson } from '#lib/base/listing.js'

/** What steers terminals or is not seen: controls, line ends, direction marks, invisible and broken signs. */
const UNSAFE = [
  ...['\n', '\r', '\t', '\0', '\x1b', '\x07', '\x7f', '\x85', '\x9b', '\u2028', '\u2029'],
  ...['\u061c', '\u200e', '\u200f', '\u202a', '\u202e', '\u2066', '\u2069'],
  ...['\u00ad', '\u200b', '\u2060', '\ufeff', '\u{e0041}', '\ud800', '\udfff', '\ufffe', '\u{10ffff}'],
]

describe('abridged', () => {
  it.each(UNSAFE)('shows %j instead of obeying it', (sign) => {
    const shown = abridged(`a${sign}b`)
    expect(shown).toBe(
      `a\\u${sign.length === 1 ? sign.charCodeAt(0).toString(16).padStart(4, '0') : `{${sign.codePointAt(0)!.toString(16)}}`}b`,
    )
    expect(abridged(shown)).toBe(shown)
  })

  it.each(['Größe', '人', 'نص', '👩‍👩‍👧', 'می‌خواهم', '🇫🇷', 'C:\\pictures\\a.jpg', "d'été"])(
    'leaves %s as it is',
    (text) => expect(abridged(text)).toBe(text),
  )

  it('leaves out the middle of a long text, never half a sign', () => {
    const path = `/folder/${'x'.repeat(500)}/file.jpg`
    expect(abridged(path)).toMatch(/^\/folder\/x+…x+\/file\.jpg$/)
    expect(abridged(path)).toHaveLength(200)
    for (let most = 10; most < 20; most++) {
      const text = abridged('😀'.repeat(100), most)
      expect(text.length).toBeLessThanOrEqual(most)
      expect(text).not.toMatch(/\p{Cs}/u)
      expect(abridged(text, most)).toBe(text)
    }
    expect(abridged('\x1b'.repeat(10_000_000))).toHaveLength(200)
  })

  it.each([
    ['the mirror http://user:s3cret@host/x.pth?sig=s3cret is', 'the mirror http://host/x.pth?… is'],
    ['https://s3cret@host:8080/#s3cret', 'https://host:8080/?…'],
    ['HTTPS:\\\\user:s3cret@host\\a?s3cret', 'HTTPS:\\\\host\\a?…'],
    ['http:/user:s3cret@host', 'http:/host'],
    ['"s3://bucket/key?X-Amz-Signature=s3cret"', '"s3://bucket/key?…'],
    ['http://user:s3cret/s3cret@host/a', 'http://host/a'],
    ['http://user:s3?cret#s3cret@host/a', 'http://host/a'],
    ['http://a@b@s3cret:s3cret@host/a', 'http://host/a'],
    ['http://[::1]:80/a?s3cret', 'http://[::1]:80/a?…'],
    ['http://host/a@2x.png', 'http://host/a@2x.png'],
    [
      'https://docs.nvidia.com/deeplearning/tensorrt/), or',
      'https://docs.nvidia.com/deeplearning/tensorrt/), or',
    ],
    ['file:///pictures/a?b#c@d', 'file:///pictures/a?b#c@d'],
  ])('tells no secrets of %s', (text, expected) => {
    const shown = abridged(text)
    expect(shown).toBe(expected)
    expect(abridged(shown)).toBe(shown)
    expect(shown).not.toContain('s3cret')
  })

  it('tells no secrets of URLs that are longer than what it looks at', () => {
    const long = `${'a'.repeat(50_000)} http://user:${'p'.repeat(100_000)}@host/?sig=${'s3cret'.repeat(20_000)} is wrong.`
    expect(abridged(long, 90_000)).not.toContain('s3cret')
    expect(abridged(long)).toMatch(/^a+…a*… is wrong\.$/)
  })
})

describe('redacted', () => {
  it('takes a whole text for a URL, spaces included', () => {
    expect(redacted('http://us er:s3 cret@host/a b?s3 cret\ns3cret')).toBe('http://host/a b?…')
    expect(redacted('street.jpg?x')).toBe('street.jpg?x')
  })
})

describe('listing', () => {
  it('counts what it does not show, and shortens each', () => {
    expect(listing(['a', 'b\n', 'c'], 2)).toBe('a, b\\u000a and 1 more')
    expect(listing(['x'.repeat(10_000)])).toHaveLength(200)
  })
})

describe('safeJson', () => {
  it('gives the same values without raw signs', () => {
    const value = { [`key${UNSAFE.join('')}`]: UNSAFE, text: 'Größe 👩‍👩‍👧 \\ "' }
    for (const indent of [undefined, 2]) {
      const json = safeJson(value, indent)
      expect(JSON.parse(json)).toEqual(value)
      expect(json.replaceAll('\n', '')).not.toMatch(/(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    }
  })
})

describe('EfficientDetError', () => {
  it('has one line of a bounded length, whatever it quotes', () => {
    const { message } = new EfficientDetError(
      'ERR_IMAGE',
      `a\nerror: forged\x1b[2J http://user:s3cret@host/?s3cret ${'x'.repeat(1e6)} end.`,
    )
    expect(message).toMatch(/^a\\u000aerror: forged\\u001b\[2J http:\/\/host\/\?… x+…x*… end\.$/)
    expect(message).toHaveLength(5000)
  })
})
