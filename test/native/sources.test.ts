import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

const read = (file: string) => readFile(file, 'utf8')

describe('CMakeLists.txt and binding.gyp', () => {
  it('build the addon from the same sources', async () => {
    const addon = /add_library\(efficientdet_trt MODULE([^)]*)\)/.exec(await read('CMakeLists.txt'))![1]
    const cmake = addon.match(/native\/\S+\.cc/g)
    const gyp = (await read('binding.gyp')).match(/native\/\S+\.cc/g)
    expect(cmake).not.toHaveLength(0)
    expect(gyp).toEqual(cmake)
  })

  it('agree with package.json on the version of Node-API', async () => {
    const { binary } = JSON.parse(await read('package.json'))
    expect(await read('CMakeLists.txt')).toContain(`NAPI_VERSION=${binary.napi_versions[0]}`)
    expect(await read('binding.gyp')).toContain(`NAPI_VERSION=${binary.napi_versions[0]}`)
  })
})
