import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from '../helpers/cli.js'
import { notConfined } from '../helpers/confined.js'

interface Report {
  readonly pictures: number
  readonly answered: number
  readonly refused: number
  readonly codes: Readonly<Record<string, number>>
  readonly faults: readonly string[]
  readonly megabytes: { readonly begun: number; readonly ended: number; readonly peak: number }
}

it.skipIf(notConfined !== null)(
  'In a server’s worst hour, within a gigabyte, every good picture is answered as alone and every bad one refused by code',
  async () => {
    const program = join(import.meta.dirname, 'worst-hour.mjs')
    const { code, stdout, stderr } = await run(process.execPath, [program, '500'])
    expect([code, stderr]).toEqual([0, ''])
    const report: Report = JSON.parse(stdout)
    expect(report.faults).toEqual([])
    expect(report.answered + report.refused).toBe(500)
    expect(report.answered).toBeGreaterThan(100)
    expect(report.refused).toBeGreaterThan(100)
    const codes = Object.keys(report.codes)
    expect(codes.sort()).toEqual(['ERR_IMAGE', 'ERR_IMAGE_TOO_LARGE', 'ERR_INVALID_OPTION'])
    // Not all that allocators hold on to is given back.
    expect(report.megabytes.ended - report.megabytes.begun).toBeLessThan(600)
  },
)
