// Looks for bytes that one of our readers does not refuse properly, guided by coverage:
//
//   npm run fuzz -- TARGET SECONDS [SEED]
//
// What took a new way is kept in test/fixtures/fuzz/TARGET.json, in the end without what the rest covers;
// test/fuzz/fuzz.test.ts reads it all again.
//
// TARGET.finding ended with an untyped error, or took too long or too much memory.
//
// Jazzer.js would do this better, but its prebuilt library wants a newer glibc (2.38) than Debian 12 has.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { createInstrumenter } from 'istanbul-lib-instrument'

const HERE = import.meta.dirname
const FIXTURES = join(HERE, '..', 'fixtures')
/** Milliseconds that reading a few kilobytes may take; Node's own work included. */
const LONGEST = 20_000

const [name, seconds, seed = '1'] = process.argv.slice(2)
const corpusPath = join(FIXTURES, 'fuzz', `${name}.json`)
const SEEDS = {
  pickle: () => Object.values(JSON.parse(readFileSync(join(FIXTURES, 'weights', 'pickles.json')))),
  zip: () => ['zip.pth', 'views.pth', 'types.pth', 'nested.pth', 'zip-protocol5.pth'].map(weights),
  safetensors: () => ['plain.safetensors', 'types.safetensors'].map(weights),
  engine: () => [],
  labels: () => [],
}

function weights(file) {
  return readFileSync(join(FIXTURES, 'weights', file)).toString('hex')
}

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [join(HERE, entry)],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    // Not of this program, but what they cover would be kept.
    external: ['sharp', 'onnxruntime-node', 'vitest'],
    logLevel: 'error',
  })
  return outputFiles[0].text
}

if (!(name in SEEDS) || !(Number(seconds) > 0)) {
  console.error(`npm run fuzz -- ${Object.keys(SEEDS).join('|')} SECONDS [SEED]`)
  process.exit(2)
}
const instrumenter = createInstrumenter({ coverageVariable: '__fuzzed__', esModules: false, compact: true })
const target = instrumenter.instrumentSync(await bundle('targets.ts'), 'targets.cjs')
const mutations = await bundle('mutations.ts')
const kept = existsSync(corpusPath)
  ? JSON.parse(readFileSync(corpusPath)).map((each) => Buffer.from(each, 'base64').toString('hex'))
  : []
const shared = new SharedArrayBuffer(1 << 20)
const progress = new Int32Array(shared, 0, 4)
const current = new Uint8Array(shared, 16)
const worker = new Worker(join(HERE, 'loop.mjs'), {
  workerData: {
    name,
    target,
    mutations,
    corpus: [...SEEDS[name](), ...kept],
    seconds: Number(seconds),
    seed: Number(seed),
    shared,
  },
  resourceLimits: { maxOldGenerationSizeMb: 1500 },
})

function found(what) {
  const path = join(FIXTURES, 'fuzz', `${name}.finding`)
  mkdirSync(join(FIXTURES, 'fuzz'), { recursive: true })
  writeFileSync(path, current.slice(0, progress[1]))
  console.error(`${what}\nThe bytes are in ${path}.`)
  process.exit(1)
}

worker.on('error', (error) => found(`The reader's thread ended: ${error.stack}`))
worker.on('message', (message) => {
  if ('line' in message) return console.log(message.line)
  if ('finding' in message) found(message.finding)
  mkdirSync(join(FIXTURES, 'fuzz'), { recursive: true })
  const lines = message.corpus.map((hex) => JSON.stringify(Buffer.from(hex, 'hex').toString('base64')))
  writeFileSync(corpusPath, `[\n${lines.join(',\n')}\n]\n`)
  process.exit(0)
})
for (let last = -1; ; ) {
  await sleep(LONGEST)
  if (progress[0] === last) found(`Reading took more than ${LONGEST} ms.`)
  last = progress[0]
}
