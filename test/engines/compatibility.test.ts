import { describe, expect, it } from 'vitest'
import { checkCompatibility, type Machine } from '#lib/engines/compatibility.js'
import type { EngineHeader } from '#lib/engines/header.js'
import { HEADER } from '../helpers/engines.js'
import { refusal } from '../helpers/refusal.js'

const HERE: Machine = {
  family: 'tensorrt10',
  libraryVersion: '10.15.1',
  platform: 'linux-x64',
  device: { name: 'NVIDIA GeForce RTX 4090', computeCapability: 89 },
}

const check =
  (header: EngineHeader, here: Partial<Machine> = {}) =>
  () =>
    checkCompatibility('x.engine', header, { ...HERE, ...here })

const compatible = (
  settings: Partial<EngineHeader['settings']>,
  target: Partial<EngineHeader['target']> = {},
) => ({
  ...HEADER,
  settings: { ...HEADER.settings, ...settings },
  target: { ...HEADER.target, ...target },
})

const gpu = (computeCapability: number) => ({ device: { name: 'Some GPU', computeCapability } })

describe('an engine', () => {
  it('fits the machine that built it, and another card of its compute capability', () => {
    expect(check(HEADER)).not.toThrow()
    expect(check(HEADER, gpu(89))).not.toThrow()
  })

  it.each([
    [{ family: 'tensorrt-rtx' }, /was built for tensorrt10, but what runs here is tensorrt-rtx/],
    [{ platform: 'linux-arm64' }, /was built for linux-x64, but this is linux-arm64/],
    [{ libraryVersion: '10.3.0' }, /was built by TensorRT 10\.15\.1, but TensorRT 10\.3\.0 is here/],
    [{ libraryVersion: '10.15.2' }, /TensorRT 10\.15\.2 is here/],
    [gpu(86), /built for NVIDIA GeForce RTX 4090, compute capability 8\.9, but Some GPU has 8\.6/],
    [gpu(120), /but Some GPU has 12\.0/],
  ])('is refused with both values: %j', (here, message) => {
    expect(check(HEADER, here)).toThrow(refusal('ERR_ENGINE', message))
  })

  it('of several targets needs one', () => {
    const header = compatible({}, { gpu: null, computeCapabilities: [89, 120] })
    expect(check(header, gpu(120))).not.toThrow()
    expect(check(header, gpu(86))).toThrow(/for compute capability 8\.9 and 12\.0, but Some GPU has 8\.6/)
  })

  it('moves to later versions where it was built for that, and never back', () => {
    const header = compatible({ versionCompatible: true })
    expect(check(header, { libraryVersion: '10.15.2' })).not.toThrow()
    expect(check(header, { libraryVersion: '10.16.0' })).not.toThrow()
    expect(check(header, { libraryVersion: '10.9.9' })).toThrow(/later ones of its major version/)
    expect(check(header, { libraryVersion: '11.0.0' })).toThrow(/TensorRT 11\.0\.0 is here/)
  })

  it('moves to other GPUs from Ampere on where it was built for that', () => {
    const header = compatible({ hardwareCompatible: true })
    expect(check(header, gpu(80))).not.toThrow()
    expect(check(header, gpu(120))).not.toThrow()
    expect(check(header, gpu(75))).toThrow(/but Some GPU has 7\.5/)
  })
})
