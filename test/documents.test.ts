import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transform } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import { efficientdet, PERSON, ROOT, run } from './helpers/cli.js'
import { clip, hasFfmpeg } from './helpers/ffmpeg.js'
import { link, project, write } from './helpers/projects.js'

interface Document {
  readonly name: string
  readonly text: string
}

async function documents(): Promise<Document[]> {
  const pages = (await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md'))
  const names = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...pages.map((name) => `docs/${name}`)]
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(ROOT, name), 'utf8') })))
}

const DOCUMENTS = await documents()

/** The blocks of code in one language, without their imports, for they are put into functions. */
const EXAMPLES = DOCUMENTS.flatMap(({ name, text }) =>
  [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code], i) => ({
    title: `${name} no. ${i + 1}`,
    body: code.replace(/^import .*\n/gm, ''),
  })),
)

/** What examples have from elsewhere. */
const SURROUNDINGS = `
import { buildEngine, EfficientDet, type Frame } from 'efficientdet-trt'
import { Analytics } from 'efficientdet-trt/analytics'
import { score } from 'efficientdet-trt/batch'
import { evaluate } from 'efficientdet-trt/evaluate'
import { Tracker } from 'efficientdet-trt/tracking'
import { analyse, annotatedVideo, jsonLines, openVideo } from 'efficientdet-trt/video'
const data = new Uint8Array(2048 * 1080 * 1.5)
const frames: Frame[] = [1, 2].map((i) => ({ data: new Uint8Array(64 * i), format: 'grey', width: 8, height: 8 * i }))
const paths = ['street.jpg', 'missing.jpg']
const onProgress = () => {}
const { signal } = new AbortController()
const detector = await EfficientDet.load('person', { backend: 'cpu', threads: 1 })
void [buildEngine, evaluate, Analytics, score, Tracker, analyse, annotatedVideo, jsonLines, openVideo, data, frames, paths, onProgress, signal]
`

const moduleOf = (body: string) => `${SURROUNDINGS}
async function example() {
${body}
}
await example()
await detector.dispose()
`

describe('an example in the documents', () => {
  it('compiles', async () => {
    const { folder } = await project()
    const modules = EXAMPLES.map(({ body }, i) => [`example-${i}.mts`, moduleOf(body)])
    await write(folder, {
      ...Object.fromEntries(modules),
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          lib: ['es2022', 'esnext.disposable'],
          strict: true,
          noEmit: true,
          types: ['node'],
          typeRoots: [join(ROOT, 'node_modules', '@types')],
        },
        files: modules.map(([name]) => name),
      }),
    })
    const { stdout } = await run(process.execPath, [
      ...[join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--project', folder],
    ])
    expect(stdout).toBe('')
    expect(EXAMPLES.length).toBeGreaterThan(4)
  })

  // The others need a GPU.
  const onCpu = EXAMPLES.filter(({ body }) => !/tensorrt|\.engine/.test(body))

  it.each(onCpu)('runs: $title', async ({ body }) => {
    const { folder } = await project()
    for (const peer of ['onnxruntime-node', 'hyparquet-writer'])
      await link(join(folder, 'node_modules'), peer)
    await mkdir(join(folder, 'photos'))
    await copyFile(PERSON, join(folder, 'photos', 'person.jpg'))
    await copyFile(PERSON, join(folder, 'street.jpg'))
    if (hasFfmpeg) await copyFile(await clip('street.mp4', '-i', PERSON), join(folder, 'street.mp4'))
    else if (body.includes('street.mp4')) return
    const { code } = await transform(moduleOf(body), { loader: 'ts', target: 'node20', format: 'esm' })
    await write(folder, { 'example.mjs': code })
    const result = await run(process.execPath, ['example.mjs'], { cwd: folder })
    expect(result).toMatchObject({ code: 0, stderr: '' })
  })
})

/** Commands in blocks of shell lines and in code within the text: `efficientdet command --option …`. */
const COMMANDS = DOCUMENTS.flatMap(({ text }) =>
  [...text.matchAll(/\befficientdet ([a-z][a-z-]*[a-z])\b([^`#\n]*)/g)].map(([line, command, rest]) => ({
    line: line.trim(),
    command,
    options: [...rest.matchAll(/(?<=\s)--?[a-z][a-z-]*/g)].map(([option]) => option),
  })),
)

describe('a command in the documents', () => {
  const help = new Map<string, string>()
  beforeAll(async () => {
    const names = [...new Set(COMMANDS.map(({ command }) => command))]
    await Promise.all(
      names.map(async (name) => {
        const { code, stdout } = await efficientdet([name, '--help'])
        if (code === 0) help.set(name, stdout)
      }),
    )
  })

  it('is one of this package, with its options', () => {
    expect(COMMANDS.length).toBeGreaterThan(20)
    for (const { line, command, options } of COMMANDS) {
      const known = help.get(command) ?? ''
      const missing = options.filter(
        (option) => !known.includes(`${option} `) && !known.includes(`${option},`),
      )
      expect({ line, known: known !== '', missing }).toEqual({ line, known: true, missing: [] })
    }
  })

  it('that npm runs is one of its scripts', async () => {
    const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    const names = DOCUMENTS.flatMap(({ text }) => [...text.matchAll(/npm run ([a-z:]+)/g)].map(([, n]) => n))
    expect(names.length).toBeGreaterThan(5)
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(names))
  })
})
