import { describe, expect, it } from 'vitest'
import { LiveClock } from '#lib/video/stream-clock.js'

const at = (seconds: number) => ({ pts: Math.round(90_000 * seconds), timeBase: [1, 90_000] as const })

describe("a live stream's clock", () => {
  it('begins at 0, and goes as the stream says, not as frames arrive', () => {
    const clock = new LiveClock()
    expect([0, 0.04, 0.08, 0.12].map((time, i) => clock.timeOf(at(7 + time), 1000 * i))).toEqual([
      0,
      expect.closeTo(0.04, 9),
      expect.closeTo(0.08, 9),
      expect.closeTo(0.12, 9),
    ])
  })

  it('goes on by our own clock where the connection begins anew', () => {
    const clock = new LiveClock()
    clock.timeOf(at(100), 0)
    clock.timeOf(at(101), 1000)
    clock.begin()
    expect(clock.timeOf(at(0), 4000)).toBeCloseTo(4)
    expect(clock.timeOf(at(0.04), 4040)).toBeCloseTo(4.04)
  })

  it.each([
    ['back', 50],
    ['far ahead', 5000],
    ['to where it was', 101],
  ])('takes a jump %s for none', (_, to) => {
    const clock = new LiveClock()
    clock.timeOf(at(100), 0)
    clock.timeOf(at(101), 1000)
    const time = clock.timeOf(at(to), 1040)
    expect(time).toBeCloseTo(1.04)
    expect(clock.timeOf(at(to + 0.04), 1080)).toBeCloseTo(1.08)
  })
})
