import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { VERSION } from '#lib/base/version.js'
import { temporaryFolder } from './helpers/checkpoints.js'
import { jsonLines, PERSON, ROOT, run } from './helpers/cli.js'

interface Manifest {
  readonly version: string
  readonly scripts: Readonly<Record<string, string>>
}

const manifest: Manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))

interface Tarball {
  readonly path: string
  readonly files: readonly string[]
}

/** Packs the build as it is; nothing of a user's npm is touched. */
async function pack(folder?: string): Promise<Tarball> {
  folder ??= await temporaryFolder()
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { code, stdout, stderr } = await run('npm', args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  const packed: unknown = JSON.parse(stdout)
  // npm before 12 gives a list, npm 12 an object by package name.
  const [{ filename, files }] = Object.values(
    packed as Record<string, { filename: string; files: { path: string }[] }>,
  )
  return { path: join(folder, filename), files: files.map(({ path }) => path) }
}

/** Whether the registry of this machine answers; what is installed from it is the real thing. */
async function registryAnswers(): Promise<boolean> {
  const { code } = await run('npm', [
    'view',
    'commander',
    'version',
    '--fetch-retries=0',
    '--fetch-timeout=10000',
  ])
  return code === 0
}

describe('the package', () => {
  it('has one version', () => {
    expect(VERSION).toBe(manifest.version)
  })

  it('runs nothing when it is installed', () => {
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish', 'preprepare']) {
      expect(manifest.scripts).not.toHaveProperty(script)
    }
  })

  it('holds the build, the models and what explains them, nothing else', async () => {
    const { files } = await pack()
    const folders = new Set(files.map((file) => file.split('/')[0]))
    const allowed = [
      'dist',
      'models',
      'prebuilds',
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'SECURITY.md',
    ]
    for (const folder of folders) expect(allowed).toContain(folder)
    expect(files).toEqual(
      expect.arrayContaining([
        ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md'],
        ...['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js'],
        ...['dist/backends/cpu/network-worker.js', 'dist/tasks/task-worker.js'],
        ...['models/person/person.safetensors', 'models/person/person.jpg'],
      ]),
    )
    expect(files.filter((file) => /\.test\.|\.tsbuildinfo$|^dist\/.*(?<!\.d)\.ts$/.test(file))).toEqual([])
  })
})

describe('the tarball', () => {
  it.each([
    ['publint', ['publint', 'run', '--strict']],
    // CommonJS has import(), and in newer Nodes require() of ES modules.
    ['attw', ['attw', '--profile', 'esm-only']],
  ])('has nothing that %s finds fault with', async (_, command) => {
    const { path } = await pack()
    const { code, stdout } = await run('npx', ['--no-install', ...command, path])
    expect({ code, stdout: code === 0 ? '' : stdout }).toEqual({ code: 0, stdout: '' })
  })
})

const online = await registryAnswers()
if (!online) console.warn('The installation of the tarball is not tested: the npm registry does not answer.')

describe('the types, for a project with the TypeScript of two years ago', () => {
  let folder: string
  beforeAll(async () => {
    if (!online) return
    folder = join(await mkdtemp(join(tmpdir(), 'efficientdet-test-')), 'consumer')
    await cp(join(ROOT, 'test', 'consumer'), folder, { recursive: true })
    const { path } = await pack(dirname(folder))
    const install = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', path]
    expect(await run('npm', install, { cwd: folder })).toMatchObject({ code: 0 })
  })
  afterAll(() => online && rm(dirname(folder), { recursive: true }))

  it.runIf(online).each([
    ['node16', 'node16', ['esm.mts', 'cjs.cts']],
    ['nodenext', 'nodenext', ['esm.mts', 'cjs.cts']],
    ['esnext', 'bundler', ['esm.mts']],
    ['preserve', 'bundler', ['esm.mts', 'cjs.cts']],
  ])('are sound with module %s and moduleResolution %s', async (module, moduleResolution, files) => {
    const compilerOptions = {
      ...{ module, moduleResolution, target: 'es2022', lib: ['es2022', 'esnext.disposable'] },
      ...{
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: ['node'],
      },
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const { stdout } = await run('npx', ['--no-install', 'tsc', '--project', folder], { cwd: folder })
    // sharp's own types need TypeScript 5.7.
    expect(stdout.split('\n').filter((line) => !line.startsWith('node_modules/sharp/'))).toEqual([''])
  })
})

describe('installed from its tarball', () => {
  let folder: string
  beforeEach(async () => {
    folder = join(await temporaryFolder(), 'project')
    await mkdir(folder)
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  })

  it.runIf(online)(
    'needs no scripts, and finds a person from the command line and from a program',
    async () => {
      const { path } = await pack()
      const peer: { version: string } = JSON.parse(
        await readFile(join(ROOT, 'node_modules', 'onnxruntime-node', 'package.json'), 'utf8'),
      )
      const install = await run(
        'npm',
        [
          ...['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'],
          ...[path, `onnxruntime-node@${peer.version}`],
        ],
        { cwd: folder },
      )
      expect({ code: install.code, stderr: install.code === 0 ? '' : install.stderr }).toEqual({
        code: 0,
        stderr: '',
      })

      const detected = await run('npx', ['efficientdet', 'detect', PERSON, '--json'], { cwd: folder })
      expect(detected.code).toBe(0)
      expect(jsonLines(detected)).toMatchObject([{ detections: [{ label: 'person' }] }])

      await writeFile(
        join(folder, 'app.js'),
        `import { EfficientDet } from 'efficientdet-trt'
         const detector = await EfficientDet.load('person')
         const { detections } = await detector.detect(${JSON.stringify(PERSON)})
         console.log(detections.map(({ label }) => label).join())
         await detector.dispose()`,
      )
      const program = await run(process.execPath, ['app.js'], { cwd: folder })
      expect(program).toEqual({ code: 0, signal: null, stdout: 'person\n', stderr: '' })
    },
    300_000,
  )
})
