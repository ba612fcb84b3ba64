import { describe, expect, it } from 'vitest'
import { type BuildOptions, checkBuildOptions } from '#lib/options/build.js'
import { checkEngineOptions } from '#lib/options/engine.js'
import { refusal } from '../helpers/refusal.js'

describe('build options', () => {
  it('have the defaults that are documented', () => {
    const { onProgress, ...settings } = checkBuildOptions({})
    expect(onProgress).toBeTypeOf('function')
    expect(settings).toEqual({
      weights: {},
      inputSize: null,
      maxBatchSize: 8,
      device: 0,
      targets: [],
      libraryPath: null,
      backendLibrary: null,
      output: null,
      engine: checkEngineOptions(),
      signal: undefined,
    })
  })

  it('take compute capabilities as NVIDIA writes them, once each and rising', () => {
    const { targets } = checkBuildOptions({ targets: ['sm120', 'SM_89', '8.9', '75'] })
    expect(targets).toEqual([75, 89, 120])
  })

  it.each<[object, RegExp]>([
    [{ targets: [] }, /targets is a list of 0; expected a list of compute capabilities/],
    [{ targets: 'sm89' }, /targets is "sm89"/],
    [{ targets: ['sm8'] }, /a target is "sm8"/],
    [{ targets: [null] }, /a target is null/],
    [{ maxBatchSize: 65 }, /maxBatchSize is 65; expected a whole number from 1 to 64/],
    [
      { engine: { family: 'rtx' } },
      /engine\.family is "rtx"; expected one of 'tensorrt10', 'tensorrt11', 'tensorrt-rtx'/,
    ],
    [{ engine: { precision: 'fp8' } }, /precision is "fp8"/],
    [{ engine: { workspace: 1.5 } }, /workspace is 1\.5/],
    [{ engine: { optimisationLevel: -1 } }, /optimisationLevel is -1; expected a whole number from 0 to 5/],
    [{ engine: { versionCompatible: 'yes' } }, /versionCompatible is "yes"; expected true or false/],
    [{ engine: { selfTest: 'cpu' } }, /selfTest is "cpu"; expected true or false/],
    [{ engine: { checkMemory: 1 } }, /checkMemory is 1; expected true or false/],
    [{ engine: { onMismatch: 'ignore' } }, /onMismatch is "ignore"/],
    [{ device: 16 }, /device is 16/],
    [{ output: '' }, /output is ""/],
    [{ onProgress: 1 }, /onProgress is 1; expected a function/],
    [{ maxbatch: 1 }, /Did you mean maxBatchSize\?/],
  ])('refuse %j', (options, message) => {
    expect(() => checkBuildOptions(options as BuildOptions)).toThrow(refusal('ERR_INVALID_OPTION', message))
  })

  it('have those of the engine in an object of its own, and no others there', () => {
    expect(() => checkEngineOptions({ maxBatchSize: 1 } as never)).toThrow(
      refusal('ERR_INVALID_OPTION', /There is no option "maxBatchSize" in engine/),
    )
    expect(() => checkEngineOptions('fp16' as never)).toThrow(
      refusal('ERR_INVALID_OPTION', /engine is "fp16"/),
    )
  })
})
