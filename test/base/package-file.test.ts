import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { packageFile } from '#lib/base/package-file.js'
import { ROOT } from '../helpers/cli.js'

const MODULE = pathToFileURL(join(ROOT, 'dist', 'base', 'package-file.js')).href

const refusal = (sought: string) =>
  expect.objectContaining({
    name: 'EfficientDetError',
    code: 'ERR_PACKAGE_FILE',
    message: expect.stringMatching(
      new RegExp(`^${sought} of efficientdet-trt is not there\\..*--external:efficientdet-trt`),
    ),
  })

describe('packageFile', () => {
  it('finds what lies beside a module', () => {
    const url = packageFile('../../models/person/person.safetensors', MODULE)
    expect(url.protocol).toBe('file:')
    expect(existsSync(url)).toBe(true)
  })

  it('says which file was sought', () => {
    const sought = join(ROOT, 'dist', 'base', 'some-worker.js')
    expect(() => packageFile('./some-worker.js', MODULE)).toThrow(refusal(sought))
  })

  it('says so too where a bundle has no place', () => {
    for (const base of [undefined, '', 'https://host/app.js']) {
      expect(() => packageFile('./some-worker.js', base)).toThrow(refusal('\\./some-worker\\.js'))
    }
  })
})
