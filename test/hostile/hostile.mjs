// Counts hostile inputs of all kinds, none of which may crash, hang, or be answered with an untyped error:
//
//   npm run hostile [-- KIND…]
//
// Prints a line for each kind: how many there were, what became of them, and the slowest.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

/** Milliseconds that one may take on a machine that does much else; it then counts as hung. */
const LONGEST = 60_000

// Within the project, for modules of the package are found from there.
const bundle = join('.cache', `hostile-${process.pid}.mjs`)
mkdirSync('.cache', { recursive: true })
process.once('exit', () => rmSync(bundle, { force: true }))
const { outputFiles } = await build({
  entryPoints: [join(import.meta.dirname, 'kinds.ts')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  external: ['#lib/*'],
  logLevel: 'error',
})
writeFileSync(bundle, outputFiles[0].text)
const { kinds } = await import(pathToFileURL(bundle))

const wanted = process.argv.slice(2)
const begun = process.memoryUsage().rss
let all = 0
for (const { name, count, attempt } of await kinds()) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const outcomes = new Map()
  let slowest = 0
  for (let n = 0; n < count; n++) {
    const begin = performance.now()
    const hung = setTimeout(() => fail(name, n, `has no answer after ${LONGEST} ms`), LONGEST)
    try {
      const outcome = await attempt(n)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    } catch (error) {
      fail(name, n, error.stack)
    }
    clearTimeout(hung)
    slowest = Math.max(slowest, performance.now() - begin)
  }
  all += count
  const list = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, times]) => `${outcome} ${times}`)
  console.log(
    `${name.padEnd(20)}${String(count).padStart(6)}   ${list.join(', ')}; slowest ${Math.round(slowest)} ms`,
  )
}
const grown = Math.round((process.memoryUsage().rss - begun) / 1e6)
console.log(
  `${'in all'.padEnd(20)}${String(all).padStart(6)}   none crashed, hung or was untyped; memory grew by ${grown} MB`,
)

function fail(name, n, what) {
  console.error(`${name}, input ${n}: ${what}`)
  process.exit(1)
}
