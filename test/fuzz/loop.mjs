// The thread of fuzz.mjs that reads: what it reads next lies in shared memory, in case it does not return.
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

const { name, target, mutations, corpus: seeds, seconds, seed, shared } = workerData
const progress = new Int32Array(shared, 0, 4)
const current = new Uint8Array(shared, 16)
const require = createRequire(import.meta.url)

function load(code) {
  const module = { exports: {} }
  new Function('require', 'module', 'exports', code)(require, module, module.exports)
  return module.exports
}

const { derived, random } = load(mutations)
const { TARGETS, outcomeOf } = load(target)
const reader = TARGETS.get(name)
const rng = random(seed)

/** All counters of the instrumented code, as pairs of an object and its key. */
const counters = Object.values(globalThis.__fuzzed__).flatMap(({ s, f, b }) => [
  ...Object.keys(s).map((key) => [s, key]),
  ...Object.keys(f).map((key) => [f, key]),
  ...Object.values(b).flatMap((branches) => branches.map((_, i) => [branches, i])),
])

/** Magnitudes that were seen of each counter, as bits: once, twice, up to 4, 8, 16, … times. */
let seen = new Uint32Array(counters.length)

/** Reads bytes. @returns whether that went a way not seen before */
async function isNew(bytes) {
  current.set(bytes)
  progress[1] = bytes.length
  progress[0]++
  for (const [object, key] of counters) object[key] = 0
  await outcomeOf(reader, bytes)
  let found = false
  for (let i = 0; i < counters.length; i++) {
    const [object, key] = counters[i]
    const count = object[key]
    if (count === 0) continue
    const bit = 1 << Math.min(31, 32 - Math.clz32(count))
    if ((seen[i] & bit) === 0) {
      seen[i] |= bit
      found = true
    }
  }
  return found
}

/** Bytes of all inputs that are kept, for they lie in the repository. */
const MOST_KEPT = 300_000

/** The smallest inputs that cover what the corpus does, as far as taking them in this order finds and there is room. */
async function minimised(corpus) {
  seen = new Uint32Array(counters.length)
  const kept = []
  let room = MOST_KEPT
  for (const bytes of [...corpus].sort((a, b) => a.length - b.length)) {
    if (bytes.length > room) break
    if (!(await isNew(bytes))) continue
    kept.push(bytes)
    room -= bytes.length
  }
  return kept
}

let corpus = []
const begin = Date.now()
let executions = 0
try {
  for (const bytes of [...(reader.examples ?? []), ...seeds.map((hex) => Buffer.from(hex, 'hex'))]) {
    if (await isNew(bytes)) corpus.push(bytes)
  }
  for (let told = begin; Date.now() - begin < 1000 * seconds; executions++) {
    // Half of the time from the newest: they are where something was found.
    const recent = rng.int(2) === 0 ? Math.min(20, corpus.length) : corpus.length
    const input = corpus[corpus.length - 1 - rng.int(recent)]
    const bytes = derived(input, corpus[rng.int(corpus.length)], reader.tokens, rng)
    if (await isNew(bytes)) corpus.push(bytes)
    if (Date.now() - told > 30_000) {
      told = Date.now()
      parentPort.postMessage({ line: `${executions} inputs, ${corpus.length} ways` })
    }
  }
  corpus = await minimised(corpus)
  const covered = seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0)
  parentPort.postMessage({
    line: `${name}: ${executions} inputs in ${seconds} s, ${covered} of ${counters.length} places reached, ${corpus.length} inputs kept`,
  })
  parentPort.postMessage({ corpus: corpus.map((bytes) => bytes.toString('hex')) })
} catch (error) {
  parentPort.postMessage({ finding: String(error.stack) })
}
