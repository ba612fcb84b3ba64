import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { PERSON, run } from '../helpers/cli.js'
import { link, type Project, project, write } from '../helpers/projects.js'

/** Inspects and detects, and prints what comes of it. */
const APP = `
  import { EfficientDet, EfficientDetError, inspectWeights, VERSION } from 'efficientdet-trt'
  const [picture, weights] = process.argv.slice(2)
  const tell = (outcome) => console.log(JSON.stringify(outcome))
  const fail = (error) => tell({ typed: error instanceof EfficientDetError, code: error.code, message: error.message })
  tell(VERSION)
  const detect = async (model) => {
    const detector = await EfficientDet.load(model, { threads: 1 })
    const { detections } = await detector.detect(picture)
    tell(detections.map(({ label }) => label))
  }
  inspectWeights(weights).then(({ format }) => tell(format)).catch(fail)
    .then(() => detect('person')).catch(fail)
    .then(() => detect(weights)).catch(fail)
`

/** Builds an application in the project and runs it from elsewhere. */
async function bundled({ folder, package: copy }: Project, format: 'esm' | 'cjs', external: string[]) {
  await write(folder, { 'app.mjs': APP })
  const outfile = join(folder, 'out', format === 'esm' ? 'app.mjs' : 'app.cjs')
  await build({
    entryPoints: [join(folder, 'app.mjs')],
    bundle: true,
    platform: 'node',
    format,
    external,
    outfile,
    logLevel: 'silent',
  })
  await mkdir(join(folder, 'elsewhere'))
  const weights = join(copy, 'models', 'person', 'person.safetensors')
  const { stdout, stderr, code } = await run(process.execPath, [outfile, PERSON, weights], {
    cwd: join(folder, 'elsewhere'),
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}

const VERSION = expect.stringMatching(/^\d+\.\d+\.\d+/)
const sought = (file: RegExp) => ({
  typed: true,
  code: 'ERR_PACKAGE_FILE',
  message: expect.stringMatching(
    new RegExp(`${file.source} of efficientdet-trt is not there.*--external:efficientdet-trt`),
  ),
})

describe('an application that esbuild bundled', () => {
  it.each(['esm', 'cjs'] as const)('works as %s where the package stays outside', async (format) => {
    const app = await project()
    await link(join(app.folder, 'node_modules'), 'onnxruntime-node')
    expect(await bundled(app, format, ['efficientdet-trt'])).toEqual([
      VERSION,
      'safetensors',
      ['person'],
      ['person'],
    ])
  })

  it('is told which files it left behind where the package is inside', async () => {
    const app = await project()
    expect(await bundled(app, 'esm', ['sharp'])).toEqual([
      VERSION,
      sought(/out.task-worker\.js/),
      sought(/person\.safetensors/),
      sought(/out.network-worker\.js/),
    ])
  })

  it('is told so as well in CommonJS, where a bundle has no place of its own', async () => {
    const app = await project()
    expect(await bundled(app, 'cjs', [])).toEqual([
      VERSION,
      sought(/task-worker\.js/),
      sought(/person\.safetensors/),
      sought(/network-worker\.js/),
    ])
  })

  it('does not start a worker of its own instead', async () => {
    const app = await project()
    await write(app.folder, { 'out/worker.js': 'console.log("the wrong worker")' })
    const outcomes = await bundled(app, 'esm', ['sharp'])
    expect(outcomes[1]).toEqual(sought(/out.task-worker\.js/))
  })
})

it('the package works unpacked beside an Electron archive', async () => {
  const { folder, main, package: copy } = await project('app.asar.unpacked/node_modules')
  await link(join(folder, 'app.asar.unpacked', 'node_modules'), 'onnxruntime-node')
  const { code, stdout } = await run(process.execPath, [main, 'detect', PERSON, '--json'], { cwd: folder })
  expect(code).toBe(0)
  expect(JSON.parse(stdout).detections).toHaveLength(1)
  const inspected = await run(process.execPath, [
    main,
    'info',
    join(copy, 'models/person/person.safetensors'),
  ])
  expect(inspected.code).toBe(0)
})
