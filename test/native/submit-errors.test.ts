import { describe, expect, it } from 'vitest'
import type { NativeEngine } from '#lib/backends/tensorrt/addon.js'
import { NativeBackendEngine, type NativeEngineFacts } from '#lib/backends/tensorrt/engine.js'
import type { PostprocessParameters } from '#lib/postprocess/detections.js'
import { refusal } from '../helpers/refusal.js'

describe('an engine of the addon', () => {
  it('makes what the addon throws while it takes a frame an error of ours', async () => {
    const native = {
      submit() {
        throw Object.assign(new Error('There is no memory for a frame of 12 bytes.'), {
          code: 'ERR_OUT_OF_MEMORY',
        })
      },
    } as unknown as NativeEngine
    const facts = { gpu: { device: 0 }, deadline: 1000 } as unknown as NativeEngineFacts
    const engine = new NativeBackendEngine(native, facts)
    const frame = { data: new Uint8Array(12), format: 'rgb', width: 2, height: 2 } as const
    await expect(engine.detect(frame, {} as PostprocessParameters)).rejects.toThrow(
      refusal('ERR_OUT_OF_MEMORY', /^The frame was not taken: There is no memory for a frame/),
    )
  })
})
