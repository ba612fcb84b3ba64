import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT, run } from './cli.js'

/** What became of code in a process of its own. */
export interface Outcome {
  /** The code of the EfficientDetError that it threw, or what it returned as text. */
  readonly outcome: string
  readonly message: string
  /** The most memory that it took, beyond that of Node with the package loaded. */
  readonly grownBytes: number
  /** Time of the processor, whatever else the machine does. */
  readonly cpuMilliseconds: number
}

/** Why code cannot be confined here; null if it can. */
export const notConfined: string | null =
  spawnSync('prlimit', ['--version']).status === 0 ? null : 'prlimit (util-linux) is not here'

/** Address space beyond what Node and its threads reserve. */
const ADDRESS_SPACE = 6 * 2 ** 30

/**
 * Runs code in a process with little memory: what takes too much is ended with it, and not the tests.
 *
 * @param modules names to import, with the built files that have them
 * @param body of an async function over `argument`; it may return a text
 */
export async function confined(
  modules: Readonly<Record<string, string>>,
  body: string,
  argument?: unknown,
): Promise<Outcome> {
  const imports = Object.entries(modules).map(
    ([name, file]) =>
      `const { ${name} } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist', file)).href)})`,
  )
  const script = `
import { readFileSync } from 'node:fs'
${imports.join('\n')}
const argument = ${JSON.stringify(argument ?? null)}
const peak = () => 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
const before = peak()
const begin = process.cpuUsage()
let outcome, message = ''
try {
  outcome = String(await (async () => { ${body} })())
} catch (error) {
  outcome = error.name === 'EfficientDetError' ? error.code : 'untyped'
  message = String(error.message)
}
const { user, system } = process.cpuUsage(begin)
console.log(JSON.stringify({ outcome, message, grownBytes: peak() - before, cpuMilliseconds: (user + system) / 1000 }))
process.exit()
`
  const args = [`--as=${ADDRESS_SPACE}`, process.execPath, '--input-type=module', '--eval', script]
  const { code, signal, stdout, stderr } = await run('prlimit', args)
  const line = stdout.trimEnd().split('\n').at(-1)
  if (code !== 0 || !line) throw new Error(`The process ended with ${code ?? signal}: ${stderr.slice(-2000)}`)
  return JSON.parse(line)
}
