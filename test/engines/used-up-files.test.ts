import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { ROOT, run } from '../helpers/cli.js'
import { notConfined } from '../helpers/confined.js'
import { emptyCache } from '../helpers/mirror.js'

const built = (file: string) => JSON.stringify(pathToFileURL(join(ROOT, 'dist', file)).href)

it.skipIf(notConfined !== null)(
  'a finished build is not lost where no more files can be opened',
  async () => {
    const cache = await emptyCache()
    const script = `
const { cachedEngine } = await import(${built('engines/cache.js')})
const { openSync } = await import('node:fs')
const recipe = {
  packageVersion: '0.1.0',
  target: { family: 'fake', libraryVersion: '1', cudaVersion: '', platform: 'linux-x64', gpu: null, computeCapabilities: [89] },
  settings: { precision: 'fp16', maxBatchSize: 1, workspaceBytes: 0, optimisationLevel: -1, versionCompatible: false, hardwareCompatible: false },
  graph: '', inputSize: { height: 64, width: 64 }, notes: [],
  spec: { architecture: { variant: { name: 'd0' } }, anchors: {}, preprocessing: {}, labels: null },
}
const build = async () => {
  try {
    for (;;) openSync('/dev/null')
  } catch {}
  return { plan: new Uint8Array(8), referenceDetections: null, timingCache: new Uint8Array(8) }
}
const { plan, cached, notKept } = await cachedEngine({ recipe, onMismatch: 'rebuild', signal: undefined, onProgress: () => {}, build })
console.log(plan.length, cached, notKept.code, notKept.message)
process.exit()
`
    const env = { EFFICIENTDET_CACHE: cache }
    const args = ['--nofile=100', process.execPath, '--input-type=module', '--eval', script]
    expect(await run('prlimit', args, { env })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^8 false ERR_OUTPUT .*EMFILE/),
    })
  },
)
