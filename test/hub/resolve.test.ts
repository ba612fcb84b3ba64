import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cacheFolder } from '#lib/base/cache-folder.js'
import { downloadUrl, OFFICIAL_MODELS, officialModel } from '#lib/hub/official.js'
import { resolveModel } from '#lib/hub/resolve.js'
import { VARIANT_NAMES } from '#lib/models/variants.js'
import { temporaryFile } from '../helpers/checkpoints.js'
import { ROOT } from '../helpers/cli.js'
import { emptyCache } from '../helpers/mirror.js'

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_MODEL_NOT_FOUND', message: expect.stringMatching(message) })

describe('resolveModel', () => {
  it('finds bundled models in the package, wherever the program runs', async () => {
    expect(await resolveModel('person')).toBe(join(ROOT, 'models', 'person', 'person.safetensors'))
  })

  it('finds pulled models in the cache, and tells how to pull the others', async () => {
    const folder = await emptyCache()
    await expect(resolveModel('d0')).rejects.toThrow(
      refusal(/weights of d0 are not in .*efficientdet pull d0$/),
    )
    const path = join(folder, officialModel('d0')!.file)
    await mkdir(folder)
    await writeFile(path, 'weights')
    expect(await resolveModel('d0')).toBe(path)
  })

  it('follows no link in the cache, and takes no folder there, but says how to', async () => {
    const folder = await emptyCache()
    await mkdir(folder)
    const [linked, taken] = ['d1', 'd2'].map((name) => join(folder, officialModel(name)!.file))
    await symlink(await temporaryFile('planted'), linked)
    await mkdir(taken)
    await expect(resolveModel('d1')).rejects.toThrow(
      refusal(/d1 are not taken from the cache: .* is a link, .*Remove it and pull again, or give its path/),
    )
    await expect(resolveModel('d2')).rejects.toThrow(refusal(/is a folder\. Remove it/))
    expect(await resolveModel(linked)).toBe(linked)
  })

  it('takes anything else as a path', async () => {
    const path = await temporaryFile('weights')
    expect(await resolveModel(path)).toBe(path)
  })

  it.each([
    ['Person', /Did you mean person\?/],
    ['lite-0', /Did you mean lite0\?/],
    ['./person.pth', /no such file.*Models: person, d0, .*lite4\.$/],
    [
      'https://me:secret@example.org/d0.pth?key=1',
      /^https:\/\/example\.org\/d0\.pth\?… is a URL, .*download it/,
    ],
    ['file:///tmp/d0.pth', /is a URL, .*fileURLToPath/],
    ['', /Models: /],
    ['x'.repeat(5000), /Models: /],
  ])('refuses %j', async (name, message) => {
    await expect(resolveModel(name)).rejects.toThrow(refusal(message))
  })
})

describe('the cache folder', () => {
  it('is chosen by the first variable that is set', () => {
    const XDG_CACHE_HOME = '/xdg'
    expect(cacheFolder({ EFFICIENTDET_CACHE: '/mine', XDG_CACHE_HOME })).toBe('/mine')
    expect(cacheFolder({ EFFICIENTDET_CACHE: '', XDG_CACHE_HOME })).toBe(join('/xdg', 'efficientdet-trt'))
    expect(cacheFolder({})).toBe(join(homedir(), '.cache', 'efficientdet-trt'))
  })
})

describe('official models', () => {
  it('are of known sizes, with the first digits of their sum in their names', () => {
    expect(new Set(OFFICIAL_MODELS.map(({ name }) => name)).size).toBe(OFFICIAL_MODELS.length)
    for (const { variant, file, sha256 } of OFFICIAL_MODELS) {
      expect(VARIANT_NAMES).toContain(variant)
      expect(sha256).toMatch(/^[0-9a-f]{8}(?:[0-9a-f]{56})?$/)
      expect(file).toContain(`-${sha256.slice(0, 8)}.pth`)
    }
  })

  it('come from effdet or from a mirror', () => {
    const d0 = officialModel('d0')!
    expect(downloadUrl(d0).href).toMatch(
      /^https:\/\/github\.com\/rwightman\/efficientdet-pytorch\/releases\/.*f153e0cf\.pth$/,
    )
    expect(downloadUrl(d0, 'https://host/folder/').href).toBe(`https://host/folder/${d0.file}`)
  })
})
