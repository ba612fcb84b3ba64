import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const NODE = path('.cache/arm64/node')
const LIBRARY = path('.cache/arm64/build/libefficientdet_fake.so')

const ready =
  existsSync(NODE) && existsSync(LIBRARY) && spawnSync('qemu-aarch64-static', ['--version']).status === 0
if (!ready) console.warn('Tests of the arm64 addon are skipped: it is not built (tools/arm64-setup.sh).')

/** Runs a program with Node for arm64 on an emulated processor. A failure shows its output. */
async function run(args: string[]): Promise<string> {
  const emulated = ['-L', '/usr/aarch64-linux-gnu', NODE, ...args]
  // Local builds are looked for before prebuilt ones, and here they are for another processor.
  const env = { ...process.env, PREBUILDS_ONLY: '1', FAKE_LIBRARY: LIBRARY }
  const { stdout } = await promisify(execFile)('qemu-aarch64-static', emulated, { env, timeout: 110_000 })
  return stdout
}

describe.skipIf(!ready)('the arm64 addon, emulated', { timeout: 120_000 }, () => {
  it('loads and runs the fake backend', async () => {
    const { arch, addon, boxes } = JSON.parse(await run([path('test/native/programs/smoke.mjs')]))
    expect(arch).toBe('arm64')
    expect(addon).toMatch(/prebuilds\/linux-arm64\/efficientdet-trt\.glibc\.node$/)
    expect(boxes).toEqual(Array(20).fill([0, 0, 64, 64]))
  })

  it('preprocesses as its twin does, to the last bit, with NEON', async () => {
    const { codes, frames, different } = JSON.parse(await run([path('test/native/programs/preprocess.mjs')]))
    expect(codes).toEqual(['neon'])
    expect(frames).toBe(140)
    expect(different).toEqual([])
  })

  it('says through doctor what a Jetson would still need', async () => {
    const folder = await installation()
    try {
      const report = JSON.parse(
        await run([join(folder, 'dist/cli/main.js'), 'doctor', '--json']).catch(stdoutOf),
      )
      const finding = (name: string) => report.findings.find((each: { name: string }) => each.name === name)
      const text = (name: string) => finding(name)?.text
      expect(text('system')).toMatch(/^linux arm64 glibc/)
      expect(text('native addon')).toMatch(/linux-arm64\/efficientdet-trt\.glibc\.node$/)
      // The backends are there where they were built with CUDA's compiler and TensorRT's headers.
      expect(text('backend tensorrt')).toMatch(/^no NVIDIA driver found/)
      expect(finding('backend tensorrt').details.join('\n')).toMatch(
        existsSync(path('prebuilds/linux-arm64/libefficientdet_trt10.so'))
          ? /^TensorRT 10 was not found: libnvinfer\.so\.10 is on none/m
          : /^There is no .*libefficientdet_trt10\.so/m,
      )
      expect(text('backend cpu')).toMatch(/onnxruntime-node is not installed/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

/** The package as it is installed, without onnxruntime-node, whose arm64 library the emulator cannot load. */
async function installation(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'efficientdet-arm64-'))
  for (const part of ['package.json', 'dist', 'prebuilds']) {
    await cp(path(part), join(folder, part), { recursive: true })
  }
  await mkdir(join(folder, 'node_modules'))
  for (const name of await readdir(path('node_modules'))) {
    if (name !== 'onnxruntime-node')
      await symlink(join(path('node_modules'), name), join(folder, 'node_modules', name))
  }
  return folder
}

/** doctor ends with 1 where nothing can run, which is no failure of it. */
function stdoutOf(error: { code?: number; stdout?: string }): string {
  if (error.code === 1 && error.stdout) return error.stdout
  throw error
}
