// Checks that imports in lib run one way, types included: `npm run lint`.
//
// Cycles of files are for Biome to find; dependency-cruiser, which would do both, reads TypeScript up to version 6
// alone.
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'
import { globSync } from 'tinyglobby'

/** What lies in lib, from top to bottom; what shares a line does not know each other. */
const LAYERS = [
  ['cli'],
  ['index.ts', 'video.ts'],
  ['analyse', 'batch'],
  ['api', 'analytics', 'annotate', 'video'],
  ['evaluate', 'tracking'],
  ['options'],
  ['backends'],
  ['engines', 'tasks'],
  ['weights'],
  ['graph'],
  ['network', 'image', 'postprocess', 'hub'],
  ['models', 'threads'],
  ['base'],
]

const lib = new URL('../lib/', import.meta.url)
const faults = globSync('**/*.ts', { cwd: fileURLToPath(lib) }).flatMap((file) =>
  importsOf(file).flatMap((imported) => {
    const fault = faultOf(file, imported)
    return fault === null ? [] : [`lib/${file} imports lib/${imported}: ${fault}.`]
  }),
)
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1

/** The files of lib that a file imports: `import … from`, `export … from`, `import('…')` as a value or a type. */
function importsOf(file) {
  const text = readFileSync(new URL(file, lib), 'utf8')
  const { staticImports, staticExports } = parseSync(file, text).module
  const requests = [...staticImports, ...staticExports.flatMap(({ entries }) => entries)]
  const specifiers = [
    ...requests.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
    ...Array.from(text.matchAll(/\bimport\(\s*(['"])(.*?)\1/g), (match) => match[2]),
  ]
  return [...new Set(specifiers)]
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(file), specifier.replace(/\.js$/, '.ts')))
}

/** What is wrong with an import, or null. */
function faultOf(file, imported) {
  const [from, to] = [file, imported].map((path) => path.split('/'))
  const [above, below] = [from[0], to[0]].map((name) => LAYERS.findIndex((layer) => layer.includes(name)))
  if (above < 0 || below < 0) return `tools/imports.mjs does not know lib/${(above < 0 ? from : to)[0]}`
  if (from[0] !== to[0]) {
    if (above > below) return 'upwards'
    return above === below ? 'neither is above the other' : null
  }
  // In one folder, its subfolders do not know each other.
  const isSibling = from.length > 2 && to.length > 2 && from[1] !== to[1]
  return isSibling ? 'neither subfolder is above the other' : null
}
