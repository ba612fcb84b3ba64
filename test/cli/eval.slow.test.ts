import { describe, expect, it } from 'vitest'
import { efficientdet } from '../helpers/cli.js'
import { hasShared, shared } from '../helpers/shared.js'

describe.runIf(hasShared)('eval of the bundled model', () => {
  it("has the AP of effdet's own pipeline on 600 pictures", async () => {
    const data = ['--annotations', shared('data/person/val.json'), '--images', shared('data/person/val')]
    const { code, stdout } = await efficientdet(['eval', ...data, '--json'])
    expect(code).toBe(0)
    const { ap, ap50, images, objects } = JSON.parse(stdout)
    expect([images, objects]).toEqual([600, 2450])
    expect(Math.abs(ap - 0.17175009327098392)).toBeLessThan(0.0005)
    expect(Math.abs(ap50 - 0.4019174854373782)).toBeLessThan(0.001)
  }, 600_000)
})
