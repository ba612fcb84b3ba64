import { cp, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { PERSON, ROOT, run } from '../helpers/cli.js'
import { link, type Project, project, write } from '../helpers/projects.js'

let app: Project
beforeEach(async () => {
  app = await project()
})

const efficientdet = (...args: string[]) => run(process.execPath, [app.main, ...args], { cwd: app.folder })

/** Loads three times, as a service does that tries again, and prints every error. */
async function loadThrice() {
  await write(app.folder, {
    'app.mjs': `
      import { EfficientDet } from 'efficientdet-trt'
      for (let i = 0; i < 3; i++) {
        try {
          await EfficientDet.load('person')
        } catch ({ name, code, message, details }) {
          console.log(JSON.stringify({ name, code, message, details }))
        }
      }`,
  })
  const { code, stdout, stderr } = await run(process.execPath, ['app.mjs'], { cwd: app.folder })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** A copy of onnxruntime-node whose binding is something else. */
async function breakBinding() {
  const copy = join(app.folder, 'node_modules', 'onnxruntime-node')
  await cp(join(ROOT, 'node_modules', 'onnxruntime-node'), copy, {
    recursive: true,
    filter: (path) => !/[\\/]bin[\\/]/.test(path),
  })
  const { platform, arch } = process
  const [napi] = await readdir(join(ROOT, 'node_modules', 'onnxruntime-node', 'bin'))
  const folder = join(napi, platform, arch)
  await write(join(copy, 'bin'), { [join(folder, 'onnxruntime_binding.node')]: 'This is not a library.' })
  await link(join(app.folder, 'node_modules'), 'onnxruntime-common')
}

async function expectTheRestToWork() {
  const [info, convert, exported] = await Promise.all([
    efficientdet('info', 'person'),
    efficientdet('convert', 'person', 'converted.safetensors'),
    efficientdet('export', 'person', 'exported.onnx', '--input-size', '64', '--precision', 'fp16'),
  ])
  expect([info.code, convert.code, exported.code]).toEqual([0, 0, 0])
  expect(exported.stderr).toMatch(/note: Whether activations stay within float16 was not checked: /)
  expect(await readdir(app.folder)).toEqual(
    expect.arrayContaining(['converted.safetensors', 'exported.onnx']),
  )
}

describe('without onnxruntime-node', () => {
  it('detection says how to install it, the same on every call', async () => {
    const errors = await loadThrice()
    expect(errors).toHaveLength(3)
    expect(errors[0]).toMatchObject({
      name: 'EfficientDetError',
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: expect.stringMatching(
        /cpu: the package onnxruntime-node is not installed; remedy: npm install --ignore-scripts onnxruntime-node/,
      ),
    })
    expect(errors[1]).toEqual(errors[0])
    expect(errors[2]).toEqual(errors[0])
    const { code, stdout, stderr } = await efficientdet('detect', PERSON)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('npm install --ignore-scripts onnxruntime-node')
  })

  it('all else works', async () => {
    await expectTheRestToWork()
  })

  it('doctor says that detection does not run', async () => {
    const { code, stdout } = await efficientdet('doctor')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /✗ backend cpu .*not installed\n +→ npm install --ignore-scripts onnxruntime-node\n/,
    )
    expect(stdout).toMatch(/No backend runs here: info, convert and export work, detect does not\./)
  })
})

describe('with an onnxruntime-node that does not load, as on musl', () => {
  beforeEach(breakBinding)

  it('detection says why, the same on every call', async () => {
    const errors = await loadThrice()
    expect(errors).toHaveLength(3)
    expect(errors[0]).toMatchObject({
      name: 'EfficientDetError',
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: expect.stringMatching(
        /cpu: onnxruntime-node cannot be loaded \(.*onnxruntime_binding\.node.*\); remedy: /,
      ),
    })
    expect(errors[1]).toEqual(errors[0])
    expect(errors[2]).toEqual(errors[0])
    const { code, stderr } = await efficientdet('detect', PERSON)
    expect(code).toBe(1)
    expect(stderr).toContain('[ERR_BACKEND_UNAVAILABLE]')
  })

  it('all else works, decoding included', async () => {
    await expectTheRestToWork()
    const { code, stdout } = await efficientdet('doctor', '--json')
    expect(code).toBe(1)
    const { usable, findings } = JSON.parse(stdout)
    expect(usable).toBe(false)
    expect(findings.find(({ name }: { name: string }) => name === 'decoder')).toMatchObject({ good: true })
    expect(findings.find(({ name }: { name: string }) => name === 'backend cpu')).toMatchObject({
      good: false,
    })
  })

  it('importing the package does not touch it', async () => {
    await writeFile(
      join(app.folder, 'app.mjs'),
      "const { VERSION } = await import('efficientdet-trt'); console.log(VERSION)",
    )
    const { code, stdout, stderr } = await run(process.execPath, ['app.mjs'], { cwd: app.folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/)
  })
})
