import { afterEach, describe, expect, it } from 'vitest'
import { findLibrary, type LibrarySearch } from '#lib/backends/tensorrt/library.js'
import { FAKE_BACKEND, hasNative, NEXT_FAKE_BACKEND } from '../helpers/native.js'

const find = (search: Partial<LibrarySearch>) =>
  findLibrary({ files: [FAKE_BACKEND], libraryPath: null, purpose: 'run', devices: [], ...search })

afterEach(() => {
  delete process.env.FAKE_BACKEND
})

describe.skipIf(!hasNative)('the search for a backend library', () => {
  it('takes the first that can run', async () => {
    const found = await find({ files: ['nowhere.so', NEXT_FAKE_BACKEND, FAKE_BACKEND] })
    expect(found).toMatchObject({ native: { path: FAKE_BACKEND } })
  })

  it('tells of every file why it will not do', async () => {
    expect(await find({ files: ['/nowhere/x.so', NEXT_FAKE_BACKEND] })).toEqual({
      reason: expect.stringMatching(/There is no \/nowhere\/x\.so\. .*speaks version \d+.*[^.]$/),
      faults: [],
    })
  })

  it('takes one that cannot run but can build, for building alone', async () => {
    process.env.FAKE_BACKEND = 'fail=probe'
    expect(await find({})).toMatchObject({ reason: expect.stringContaining('no fake GPU was found') })
    expect(await find({ purpose: 'build' })).toMatchObject({
      native: { probe: { canBuild: true, reason: expect.stringContaining('no fake GPU') } },
    })
  })

  it('looks for the libraries below where it is told', async () => {
    process.env.FAKE_BACKEND = 'fail=attach'
    expect(await find({ libraryPath: '/opt/tensorrt/lib' })).toEqual({
      reason: expect.stringContaining('libfake.so.1 /opt/tensorrt/lib'),
      faults: ['no-library'],
    })
  })
})
