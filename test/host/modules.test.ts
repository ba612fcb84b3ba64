import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { ROOT, run } from '../helpers/cli.js'
import { link, type Project, project, write } from '../helpers/projects.js'

/** Node 20.19 and 22.12 require ES modules; from 20.17 and 22.0 on, a flag lets them. */
const REQUIRES_ESM = (process.features as { require_module?: boolean }).require_module === true
const FLAGS = REQUIRES_ESM ? [] : ['--experimental-require-module']

let app: Project
beforeEach(async () => {
  app = await project()
})

describe('from CommonJS', () => {
  it('require() works, for the entry waits for nothing', async () => {
    await write(app.folder, {
      'required.cjs': `
        const { EfficientDet, EfficientDetError, VERSION, COCO_LABELS } = require('efficientdet-trt')
        console.log(JSON.stringify([typeof EfficientDet.load, typeof EfficientDetError, VERSION, COCO_LABELS[0]]))`,
    })
    const { code, stdout } = await run(process.execPath, [...FLAGS, 'required.cjs'], { cwd: app.folder })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(['function', 'function', expect.stringMatching(/^\d/), 'person'])
  })

  it('import() works on every Node', async () => {
    await write(app.folder, {
      'imported.cjs': `
        import('efficientdet-trt').then(async ({ inspectWeights, EfficientDetError }) => {
          const { format } = await inspectWeights('person')
          const error = await inspectWeights('no/such.pth').catch((error) => error)
          console.log(format, error instanceof EfficientDetError)
        })`,
    })
    const result = await run(process.execPath, ['imported.cjs'], { cwd: app.folder })
    expect(result).toEqual({ code: 0, signal: null, stderr: '', stdout: 'safetensors true\n' })
  })

  it('package.json can be required, as tools do', async () => {
    const { code, stdout } = await run(
      process.execPath,
      ['--print', "require('efficientdet-trt/package.json').name"],
      { cwd: app.folder },
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'efficientdet-trt\n' })
  })

  it('what is inside stays inside', async () => {
    const { code, stderr } = await run(
      process.execPath,
      ['--input-type=module', '--eval', "import 'efficientdet-trt/dist/api/models.js'"],
      { cwd: app.folder },
    )
    expect(code).toBe(1)
    expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })
})

describe('types under module node16', () => {
  const USE = `
    async function use(EfficientDet: typeof import('efficientdet-trt', WITH).EfficientDet): Promise<string[]> {
      await using detector = await EfficientDet.load('person', { inputSize: { height: 320, width: 320 } })
      const { detections } = await detector.detect('street.jpg', { classes: ['person'], nms: 'agnostic' })
      const [x1, , x2] = detections[0].box
      const labels: string[] = detections.map(({ label }) => label)
      return [...labels, String(x2 - x1)]
    }
    void use`
  const IMPORT = "{ with: { 'resolution-mode': 'import' } }"

  async function typeCheck(files: Readonly<Record<string, string>>) {
    await write(app.folder, {
      ...files,
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          module: 'node16',
          target: 'es2022',
          lib: ['es2022', 'esnext.disposable'],
          strict: true,
          noEmit: true,
          types: ['node'],
        },
        files: Object.keys(files),
      }),
    })
    await link(join(app.folder, 'node_modules'), '@types/node').catch(() => {})
    return run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '--project', app.folder])
  }

  it('are found from .mts and, through import(), from .cts', async () => {
    const result = await typeCheck({
      'app.mts': `import { EfficientDet, type Detection } from 'efficientdet-trt'
        const none: Detection[] = []
        ${USE.replace('WITH', IMPORT)}
        void use(EfficientDet)
        void none`,
      'app.cts': `${USE.replace('WITH', IMPORT)}
        void import('efficientdet-trt').then(({ EfficientDet }) => use(EfficientDet))`,
    })
    expect(result).toEqual({ code: 0, signal: null, stderr: '', stdout: '' })
  })

  it('refuse what is wrong', async () => {
    const { code, stdout } = await typeCheck({
      'wrong.mts': `import { EfficientDet } from 'efficientdet-trt'
        void EfficientDet.load('person', { bakend: 'cpu' })
        void EfficientDet.load('person', { backend: 'cuda' })`,
    })
    expect(code).not.toBe(0)
    expect(stdout).toMatch(/wrong\.mts\(2,\d+\): error .*'bakend' does not exist/)
    expect(stdout).toMatch(/wrong\.mts\(3,\d+\): error .*"cuda"/)
  })
})
