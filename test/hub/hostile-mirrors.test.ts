import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { partialName } from '#lib/base/partial-file.js'
import { checkModel } from '#lib/cli/pull.js'
import { downloadUrl, hasWholeSum, OFFICIAL_MODELS } from '#lib/hub/official.js'
import { pullModel } from '#lib/hub/pull.js'
import { officialArchitecture } from '#lib/models/spec.js'
import { nativeInput, variant } from '#lib/models/variants.js'
import { inventory } from '#lib/network/parameters.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { efficientdet } from '../helpers/cli.js'
import { CONTENT, emptyCache, type Handler, MODEL, mirror, serve } from '../helpers/mirror.js'
import { refusal } from '../helpers/refusal.js'

/** What a pull from such a server fails with, and what it leaves in the cache. */
async function failure(handler: Handler, query = '') {
  const folder = await emptyCache()
  const { url, ranges } = await mirror(handler)
  const error: Error = await pullModel(MODEL, { mirror: url + query }).then(
    () => expect.fail('The pull came to an end.'),
    (caught) => caught,
  )
  return { error, ranges, left: await readdir(folder) }
}

/** A server that redirects its files to here. */
const redirecting =
  (location: string, status = 302): Handler =>
  (_, response) =>
    response.writeHead(status, { Location: location }).end()

describe('a server', () => {
  it('that gives no end is heard up to the length of the file, once', async () => {
    let sent = 0
    const { error, ranges, left } = await failure((_, response) => {
      response.writeHead(200)
      const more = () => {
        // Ten times as much would be taken for endless.
        while (!response.destroyed && sent < 10 * CONTENT.length) {
          sent += 10_000
          if (!response.write(CONTENT.subarray(0, 10_000))) {
            response.once('drain', more)
            return
          }
        }
      }
      more()
    })
    expect(error).toEqual(
      refusal('ERR_DOWNLOAD', /gave more than 500000 bytes, the most that d0 has\. Nothing was kept/),
    )
    expect({ ranges, left }).toEqual({ ranges: [null], left: [] })
  })

  it.each([
    ['announces more', { 'Content-Length': 10 * CONTENT.length }],
    ['announces a terabyte', { 'Content-Length': 1e12 }],
  ])('that %s than the file has is not heard at all', async (_, headers) => {
    const { error, left } = await failure((_, response) => {
      response.writeHead(200, headers)
      response.flushHeaders()
    })
    expect(error).toEqual(refusal('ERR_DOWNLOAD', /gave more than 500000 bytes/))
    expect(left).toEqual([])
  })

  it('that has one byte too many, or too few, gives nothing that is kept', async () => {
    const more = await failure((_, response) => response.end(Buffer.concat([CONTENT, Buffer.alloc(1)])))
    const less = await failure((_, response) => response.end(CONTENT.subarray(1)))
    expect(more.error).toEqual(refusal('ERR_DOWNLOAD', /gave more than 500000 bytes/))
    expect(less.error).toEqual(refusal('ERR_DOWNLOAD', /SHA-256/))
    expect([more.left, less.left]).toEqual([[], []])
  })

  describe('that tries the patience', () => {
    const clock = () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      onTestFinished(() => {
        vi.useRealTimers()
      })
    }

    it('and that does not answer is given up', async () => {
      clock()
      const { error, left } = await failure(() => vi.advanceTimersByTime(60_000))
      expect(error).toEqual(refusal('ERR_DOWNLOAD', /the server gave less than 256 KiB in 60 seconds/))
      expect(left).toEqual([])
    })

    it('and that stands still between redirections is given up', async () => {
      clock()
      const { error } = await failure((request, response) => {
        vi.advanceTimersByTime(25_000)
        redirecting(request.url!)(request, response)
      })
      expect(error).toEqual(refusal('ERR_DOWNLOAD', /less than 256 KiB in 60 seconds/))
    })

    it('and that drips is given up, and what came is continued next time', async () => {
      clock()
      const folder = await emptyCache()
      let drip = () => {}
      const dripping = await mirror((_, response) => {
        response.writeHead(200)
        drip = () => response.write(CONTENT.subarray(0, 1000))
        drip()
      })
      const onProgress = () => {
        vi.advanceTimersByTime(20_000)
        drip()
      }
      await expect(pullModel(MODEL, { mirror: dripping.url, onProgress })).rejects.toThrow(
        refusal('ERR_DOWNLOAD', /less than 256 KiB in 60 seconds.*What arrived is kept/),
      )
      const [left] = await readdir(folder)
      expect((await stat(join(folder, left!))).size).toBeGreaterThan(0)
    })

    it('but that is slow and steady is not', async () => {
      clock()
      const folder = await emptyCache()
      const { url } = await mirror()
      let seen = 0
      const onProgress = (received: number) => {
        if (received - seen < 200_000) return
        seen = received
        vi.advanceTimersByTime(30_000)
      }
      await pullModel(MODEL, { mirror: url, onProgress })
      expect(await readdir(folder)).toEqual([MODEL.file])
    })
  })

  it.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, gzip'])(
    'that answers in %s is not heard',
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(50_000_000))
      const { error, left } = await failure((request, response) => {
        expect(request.headers['accept-encoding']).toBe('identity')
        response.writeHead(200, { 'Content-Encoding': encoding }).end(bomb)
      })
      expect(error).toEqual(
        refusal('ERR_DOWNLOAD', new RegExp(`in the encoding ${encoding}, which was not asked for`)),
      )
      expect(left).toEqual([])
    },
  )

  it('that gives another part than the one asked for is not heard', async () => {
    const folder = await emptyCache()
    await mkdir(folder)
    await writeFile(join(folder, partialName(MODEL.file, ended)), CONTENT.subarray(0, 1000))
    const { url } = await mirror((_, response) => {
      response.writeHead(206, { 'Content-Range': `bytes 0-9/${CONTENT.length}` }).end(CONTENT.subarray(0, 10))
    })
    await expect(pullModel(MODEL, { mirror: url })).rejects.toThrow(
      refusal('ERR_DOWNLOAD', /gave another part of the file/),
    )
  })

  it('that answers with a status line of controls forges no line', async () => {
    const { error } = await failure((_, response) => {
      response.socket!.end('HTTP/1.1 500 a\x1b[2J\u0085error: forged\r\n\r\n', 'latin1')
    })
    expect(error).toEqual(refusal('ERR_DOWNLOAD', /^[^\p{Cc}]*$/u))
  })
})

describe('redirections', () => {
  it.each([301, 302, 303, 307, 308])('of status %d are followed', async (status) => {
    const folder = await emptyCache()
    const { url } = await mirror((request, response) =>
      request.url!.endsWith('?sig=s3cret')
        ? response.end(CONTENT)
        : redirecting('/elsewhere?sig=s3cret', status)(request, response),
    )
    await pullModel(MODEL, { mirror: url })
    expect(await readdir(folder)).toEqual([MODEL.file])
  })

  it('that go in circles end', async () => {
    const { error, ranges } = await failure((request, response) =>
      redirecting(request.url!)(request, response),
    )
    expect(error).toEqual(refusal('ERR_DOWNLOAD', /redirects more than 5 times/))
    expect(ranges).toHaveLength(6)
  })

  it.each([
    ['ftp://user:s3cret@127.0.0.1/a?s3cret', /redirects to ftp:\/\/127\.0\.0\.1\/a\?…/],
    ['file:///etc/passwd', /redirects to file:/],
    ['data:text/plain,s3cret', /redirects to data:/],
    ['http://[s3cret', /redirects to what is no URL/],
  ])('to %s are not followed', async (location, message) => {
    const { error, ranges } = await failure(redirecting(location))
    expect(error).toEqual(refusal('ERR_DOWNLOAD', message))
    expect(ranges).toHaveLength(1)
  })

  it('from https to http are not followed', async () => {
    await emptyCache()
    const fetched = vi.fn(
      async () => new Response(null, { status: 302, headers: { Location: 'http://127.0.0.1:3/' } }),
    )
    vi.stubGlobal('fetch', fetched)
    onTestFinished(() => {
      vi.unstubAllGlobals()
    })
    await expect(pullModel(MODEL)).rejects.toThrow(
      refusal('ERR_DOWNLOAD', /redirects to http:\/\/127\.0\.0\.1:3\//),
    )
    expect(fetched).toHaveBeenCalledTimes(1)
  })
})

describe('the URL of a mirror', () => {
  it.each([
    ['https://host/a', 'https://host/a/FILE'],
    ['https://host', 'https://host/FILE'],
    ['https://host/a//?sig=T#there', 'https://host/a/FILE?sig=T'],
    ['http://u:p@host:81/?a=b/c', 'http://u:p@host:81/FILE?a=b/c'],
  ])('%s has the file before its query', (url, expected) => {
    expect(downloadUrl(MODEL, url).href).toBe(expected.replace('FILE', MODEL.file))
  })

  it.each(['ftp://host/a', 'file:///a', 'host/a', '', 'http://', 'javascript:alert(1)', 'data:,a'])(
    'is not %j',
    (url) => {
      expect(() => downloadUrl(MODEL, url)).toThrow(
        refusal('ERR_INVALID_OPTION', /^mirror is .*Give that of a folder/),
      )
    },
  )

  it('has its password sent to its own server alone, and written nowhere', async () => {
    const folder = await emptyCache()
    const seen: (string | undefined)[] = []
    const other = await mirror((request, response) => {
      seen.push(request.headers.authorization)
      response.end(CONTENT)
    })
    const { url } = await mirror((request, response) => {
      seen.push(request.headers.authorization, request.url)
      redirecting(other.url)(request, response)
    })
    const secret = url.replace('http://', 'http://us%25er:s3cr%3Aet@')
    await pullModel(MODEL, { mirror: `${secret}?sig=T` })
    const expected = `Basic ${Buffer.from('us%er:s3cr:et').toString('base64')}`
    expect(seen).toEqual([expected, `/v0.1/${MODEL.file}?sig=T`, undefined])
    expect(await readdir(folder)).toEqual([MODEL.file])
  })

  it.each<[string, Handler]>([
    ['an answer of 404', (_, response) => response.writeHead(404).end()],
    ['another file', (_, response) => response.end('s')],
    ['a broken connection', (_, response) => response.destroy()],
    ['a redirection to no URL', redirecting('http://s3cret:s3cret@[/?s3cret')],
    ['a redirection elsewhere', redirecting('http://user:s3cret@127.0.0.1:3/?s3cret')],
    ['a bad status line', (_, response) => response.socket!.end('HTTP/9.9 s\r\n\r\n')],
  ])('is redacted in all of the error after %s', async (_, handler) => {
    const { error } = await failure(handler, '?sig=s3cret#s3cret')
    expect(error.message).toContain('127.0.0.1')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('s3cret')
  })
})

/** A process id that nothing has any more. */
let ended: number
beforeAll(async () => {
  const child = spawn(process.execPath, ['--version'])
  ended = child.pid!
  await new Promise((resolve) => child.once('exit', resolve))
})

describe('a cache folder in which others may write', () => {
  /** Plants something under a name of an unfinished or the whole file, and pulls. */
  const pullOver = async (name: string, plant: (path: string) => Promise<unknown> | unknown) => {
    const folder = await emptyCache()
    await mkdir(folder)
    await plant(join(folder, name))
    const { url } = await mirror()
    expect(await pullModel(MODEL, { mirror: url })).toMatchObject({ cached: false })
    const path = join(folder, MODEL.file)
    expect((await readFile(path)).equals(CONTENT)).toBe(true)
    return folder
  }
  const unfinished = () => partialName(MODEL.file, ended)
  const precious = () => temporaryFile(Buffer.from('precious'))

  it.each([
    ['a link', symlink],
    ['a hard link', link],
  ])('does not lead an unfinished download into a file of the user by %s', async (_, plant) => {
    const target = await precious()
    await pullOver(unfinished(), (path) => plant(target, path))
    await pullOver('x'.repeat(10), (path) => plant(target, path))
    await pullOver(MODEL.file, (path) => plant(target, path))
    expect(await readFile(target, 'utf8')).toBe('precious')
  })

  it('does not have a link to the whole file be taken for it, as it may lead elsewhere tomorrow', async () => {
    const whole = await temporaryFile(CONTENT)
    const folder = await pullOver(MODEL.file, (path) => symlink(whole, path))
    expect((await lstat(join(folder, MODEL.file))).isFile()).toBe(true)
  })

  it('does not lead it into a link to nothing, or a folder', async () => {
    const target = join(await emptyCache(), 'nothing')
    await pullOver(unfinished(), (path) => symlink(target, path))
    await pullOver(unfinished(), (path) => mkdir(path))
    await expect(stat(target)).rejects.toThrow('ENOENT')
  })

  it.skipIf(process.platform === 'win32')(
    'does not have it wait for a pipe, or read what has no end',
    async () => {
      const pipe = (path: string) => spawnSync('mkfifo', [path])
      await pullOver(unfinished(), pipe)
      await pullOver(MODEL.file, pipe)
      await pullOver(MODEL.file, (path) => symlink('/dev/zero', path))
      await pullOver(unfinished(), (path) => symlink('/dev/zero', path))
    },
  )

  it('does not have it read a file that is longer than the model', async () => {
    const sparse = async (path: string) => {
      await using file = await open(path, 'w')
      await file.truncate(2 ** 42)
    }
    await pullOver(MODEL.file, sparse)
    await pullOver(unfinished(), sparse)
  })

  it.runIf(process.getuid?.() === 0)('does not have it continue a file that somebody else owns', async () => {
    const folder = await emptyCache()
    await mkdir(folder)
    const path = join(folder, unfinished())
    await writeFile(path, CONTENT.subarray(0, 1000))
    await chown(path, 54321, 54321)
    const { url, ranges } = await mirror()
    await pullModel(MODEL, { mirror: url })
    expect(ranges).toEqual([null])
    expect((await stat(join(folder, MODEL.file))).uid).toBe(0)
  })
})

describe('official models', () => {
  it('have bounds that their weights fit in, and whole sums where lengths are known', () => {
    for (const model of OFFICIAL_MODELS) {
      const { parameters } = inventory(
        officialArchitecture(variant(model.variant), 90),
        nativeInput(variant(model.variant)),
      )
      expect(model.maxBytes).toBeGreaterThan(4 * parameters)
      expect(model.maxBytes).toBeLessThan((hasWholeSum(model) ? 4.1 : 5.3) * parameters)
      expect(model.sha256).toMatch(/^(?:[0-9a-f]{8}|[0-9a-f]{64})$/)
      expect(model.file).toContain(`-${model.sha256.slice(0, 8)}.pth`)
    }
    expect(OFFICIAL_MODELS.filter(hasWholeSum).map(({ name }) => name)).toEqual([
      'd0',
      'd1',
      'd2',
      'd3',
      'd4',
    ])
  })

  it.each([
    ['no checkpoint', CONTENT, /is not d0 \(.*unknown kind/],
    ['a pickle that acts', Buffer.from('\x80\x02cos\nsystem\n(X\x01\0\0\0aR.', 'latin1'), /is not d0/],
    [
      'a pickle of a number without end',
      Buffer.from(`\x80\x02F${'1'.repeat(400_000)}\n.`, 'latin1'),
      /is not d0/,
    ],
    ['a pickle of marks', Buffer.from(`\x80\x02${'('.repeat(400_000)}.`, 'latin1'), /is not d0/],
    ['the weights of another variant', null, /is not d0 \(.*EfficientDet-lite0; expected d0/],
  ])('are not %s, although the digits that are known are right', async (_, bytes, message) => {
    const folder = await emptyCache()
    const content = bytes ?? (await readFile('models/person/person.safetensors'))
    const sha256 = createHash('sha256').update(content).digest('hex').slice(0, 8)
    const model = { ...MODEL, maxBytes: content.length, sha256 }
    const { url } = await mirror((request, response) => serve(request, response, content))
    const check = (path: string) => checkModel(path, model, new AbortController().signal)
    await expect(pullModel(model, { mirror: url, trustMirror: true, check })).rejects.toThrow(
      refusal('ERR_DOWNLOAD', message),
    )
    expect(await readdir(folder)).toEqual([])
  })

  it('are pulled from no mirror that is no URL, which is said without its password', async () => {
    await emptyCache()
    const { code, stdout, stderr } = await efficientdet([
      'pull',
      'd0',
      '--mirror',
      'http://user:s3/cret@host',
    ])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      /^error: option '--mirror <url>' argument 'http:\/\/host' is invalid\. Expected a URL/,
    )
    expect(stderr).not.toContain('cret')
  })
})
