import { expect, it } from 'vitest'
import { program } from '../helpers/programs.js'

/** Rounds of which the first ones fill caches, pools and the heap. */
const WARM_UP = 10
const ROUNDS = 30

it('memory levels off over rounds of loading and disposing', async () => {
  const { code, stdout, stderr } = await program(
    `
    const sizes = []
    for (let i = 0; i < ${ROUNDS}; i++) {
      const detector = await EfficientDet.load('person', { inputSize: 256, threads: 1 })
      await detector.detect(PERSON)
      await detector.dispose()
      gc()
      sizes.push(process.memoryUsage().rss / 2 ** 20)
    }
    console.log(JSON.stringify(sizes))`,
    ['--expose-gc'],
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const sizes: number[] = JSON.parse(stdout)
  const middle = Math.max(...sizes.slice(WARM_UP, ROUNDS / 2 + WARM_UP / 2))
  const end = Math.min(...sizes.slice(-5))
  // A model has 13 MB of weights and takes about 100 MB loaded: one leaked in ten rounds would show.
  expect(end - middle).toBeLessThan(40)
})
