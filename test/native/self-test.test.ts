import { afterEach, describe, expect, it, vi } from 'vitest'
import { cpu } from '#lib/backends/cpu/cpu.js'
import { held, kept } from '../helpers/builds.js'
import { emptyCache } from '../helpers/mirror.js'
import { hasNative } from '../helpers/native.js'
import { behave, COMPARED, engineFile, load, tested, testedFile, wrong } from '../helpers/self-test.js'

afterEach(() => {
  delete process.env.FAKE_BACKEND
  vi.restoreAllMocks()
})

describe.skipIf(!hasNative)('the self-test of an engine', () => {
  it('is passed by one that answers as the CPU does, in every context and with every batch size', async () => {
    await emptyCache()
    await behave()
    const heard: string[] = []
    const selfTest = await tested({ onProgress: ({ stage, fraction }) => heard.push(`${stage} ${fraction}`) })
    expect(selfTest).toEqual({
      against: 'cpu',
      compared: COMPARED,
      scoreDifference: 0,
      overlap: expect.closeTo(1, 6),
      remembered: false,
    })
    const stages = heard.filter((stage) => stage.startsWith('test'))
    expect(stages.length).toBeGreaterThan(10)
    expect([stages[0], stages.at(-1), heard.at(-1)]).toEqual(['test 0', 'test 1', 'test 1'])
  })

  it('compares an engine file with the answers it brings, and needs neither weights nor onnxruntime', async () => {
    await emptyCache()
    await behave()
    const path = await engineFile()
    const open = vi.spyOn(cpu, 'open')
    const file = await testedFile(path)
    expect(file).toMatchObject({ against: 'cpu', compared: COMPARED, remembered: false })
    // Answers are rounded in a file.
    expect(file?.scoreDifference).toBeLessThan(0.0001)
    expect(file?.overlap).toBeGreaterThan(0.999)
    expect(await testedFile(path)).toEqual({ ...file, remembered: true })
    await emptyCache()
    await behave('wrong=score')
    await expect(testedFile(path)).rejects.toThrow(
      wrong(new RegExp(`${COMPARED} of ${COMPARED} answers differ from the CPU backend's`)),
    )
    expect(open).not.toHaveBeenCalled()
  })

  it('leaves the event loop alone', async () => {
    await emptyCache()
    const hold = await held('batches')
    await behave(hold.behaviour)
    const turns = async () => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1))
      hold.letGo()
    }
    let turned: Promise<void> | undefined
    await tested({
      onProgress: ({ stage, fraction }) => {
        if (stage === 'test' && fraction === 0) turned = turns()
      },
    })
    // Its batches ended only after the event loop had its turns.
    expect(turned).toBeDefined()
  })

  it('refuses one that answers wrongly, and takes it out of the cache', async () => {
    const cache = await emptyCache()
    await behave('wrong=box wrong_context=0 wrong_batch=8 wrong_place=7 kernels=some')
    await expect(load()).rejects.toThrow(wrong(/in context 0, in a batch of 8, for frame 7:/))
    expect(await kept(cache)).toEqual({ engines: [], others: [] })
  })
})
