import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkActivations } from '#lib/backends/cpu/activation-range.js'
import { exportOnnx } from '#lib/index.js'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'
import { hasShared, shared } from '../helpers/shared.js'
import { golden, readState, type State, savedState } from '../helpers/weights.js'

const PERSON = 'models/person/person.safetensors'
const SIZE = { height: 64, width: 96 }

/** The weights with those of some names multiplied. */
function scaled(state: State, pattern: RegExp, factor: number): State {
  return new Map(
    [...state].map(([name, { shape, data }]) => [
      name,
      { shape, data: pattern.test(name) ? data.map((value) => value * factor) : data },
    ]),
  )
}

describe('activations of a network', () => {
  const request = async (factor: number) => ({
    path: await savedState(scaled(await readState(PERSON), /^fpn\.cell\.0\.fnode\.0\..*bn\.weight$/, factor)),
    weights: {},
    inputSize: SIZE,
    checkMemory: true,
    signal: undefined,
  })

  it('that float16 holds are no matter', async () => {
    expect(await checkActivations(await request(1))).toEqual([])
  })

  it('that float16 cannot hold are refused by the name of the layer, before anything is written', async () => {
    const { path } = await request(1e5)
    const output = join(await temporaryFolder(), 'x.onnx')
    const options = { inputSize: SIZE, precision: 'fp16' } as const
    await expect(exportOnnx(path, output, options)).rejects.toThrow(
      refusal('ERR_WEIGHTS', /overflows: with a photograph, fpn\.cell\.0\.fnode\.0\.after_combine\.conv/),
    )
    await expect(access(output)).rejects.toThrow(/ENOENT/)
    await exportOnnx(path, output, { ...options, precision: 'fp32' })
  })

  it('are not looked at once the signal has aborted', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const running = checkActivations({ ...(await request(1)), signal: controller.signal })
    controller.abort(reason)
    await expect(running).rejects.toBe(reason)
    await expect(checkActivations({ ...(await request(1)), signal: controller.signal })).rejects.toBe(reason)
  })

  it('are not looked at where the weights cannot be read, which is told', async () => {
    await expect(checkActivations({ ...(await request(1)), path: 'no.pth' })).rejects.toThrow(
      refusal('ERR_MODEL_NOT_FOUND', /no\.pth/),
    )
  })
})

describe.skipIf(!hasShared)('the golden D0', () => {
  it('is exported in float16, with a note on white images', async () => {
    const output = join(await temporaryFolder(), 'x.onnx')
    const { notes } = await exportOnnx(shared('data/golden-d0/zylo-d0.pth'), output, { precision: 'fp16' })
    expect(notes.at(-1)).toMatch(
      /^With a white image, box_net\..* reaches 111,2\d\d, and float16 ends at 65504/,
    )
  })

  it('with the γ of its last BiFPN cell tripled is refused in float16', async () => {
    const path = await savedState(scaled(await golden(), /^bifpn\.2\..*bn\.weight$/, 3))
    const output = join(await temporaryFolder(), 'x.onnx')
    await expect(exportOnnx(path, output, { precision: 'fp16' })).rejects.toThrow(
      refusal(
        'ERR_WEIGHTS',
        /with a photograph, fpn\.cell\.2\.fnode\.\d\.after_combine\.conv\.conv_pw reaches 9\d,\d{3}/,
      ),
    )
  })
})
