import { afterEach, describe, expect, it } from 'vitest'
import { findLibrary, type LibrarySearch } from '#lib/backends/tensorrt/library.js'
import { FAKE_BACKEND, hasNative, NEXT_FAKE_BACKEND } from '../helpers/native.js'
import { refusal } from '../helpers/refusal.js'

const find = (search: Partial<LibrarySearch>) =>
  findLibrary('tensorrt', {
    files: [FAKE_BACKEND],
    libraryPath: null,
    purpose: 'run',
    remedy: 'get one',
    ...search,
  })

afterEach(() => {
  delete process.env.FAKE_BACKEND
})

describe.skipIf(!hasNative)('the search for a backend library', () => {
  it('takes the first that can run', async () => {
    const { path } = await find({ files: ['nowhere.so', NEXT_FAKE_BACKEND, FAKE_BACKEND] })
    expect(path).toBe(FAKE_BACKEND)
  })

  it('tells of every file why it will not do', async () => {
    await expect(find({ files: ['/nowhere/x.so', NEXT_FAKE_BACKEND] })).rejects.toThrow(
      refusal(
        'ERR_BACKEND_UNAVAILABLE',
        /There is no \/nowhere\/x\.so\. .*speaks version 3.*[^.]\. Remedy: get one/,
      ),
    )
  })

  it('takes one that cannot run but can build, for building alone', async () => {
    process.env.FAKE_BACKEND = 'fail=probe'
    await expect(find({})).rejects.toThrow(refusal('ERR_BACKEND_UNAVAILABLE', /no fake GPU was found/))
    const { probe } = await find({ purpose: 'build' })
    expect(probe).toMatchObject({ canBuild: true, reason: expect.stringContaining('no fake GPU') })
  })

  it('looks for the libraries below where it is told', async () => {
    process.env.FAKE_BACKEND = 'fail=attach'
    await expect(find({ libraryPath: '/opt/tensorrt/lib' })).rejects.toMatchObject({
      message: expect.stringContaining('libfake.so.1 /opt/tensorrt/lib'),
      details: { faults: ['no-library'] },
    })
  })
})
