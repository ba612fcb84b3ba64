import { describe, expect, it } from 'vitest'
import { formatTable } from '#lib/cli/table.js'

describe('formatTable', () => {
  it('makes columns as wide as their widest cell, and aligns them', () => {
    const rows = [
      ['model', 'input', 'anchors'],
      ['d0', '512', '49,104'],
      ['lite0', '1536', '9'],
    ]
    expect(formatTable(rows, ['left', 'right', 'right'])).toEqual([
      'model  input  anchors',
      'd0       512   49,104',
      'lite0   1536        9',
    ])
  })

  it('takes rows of any length, and no rows', () => {
    expect(formatTable([['a'], ['bb', 'c'], ['', 'dd', 'e']])).toEqual(['a', 'bb  c', '    dd  e'])
    expect(formatTable([])).toEqual([])
  })

  it('aligns signs that are wide or have no width', () => {
    const rows = [
      ['人', '1'],
      ['👩‍👩‍👧', '2'],
      ['e\u0301a', '3'],
      ['abc', '4'],
    ]
    expect(formatTable(rows)).toEqual(['人   1', '👩‍👩‍👧   2', 'e\u0301a   3', 'abc  4'])
  })

  it('has cells of one line and bounded length', () => {
    const [line] = formatTable([['a\nerror: forged\u202e', 'x'.repeat(400_000)]])
    expect(line).toMatch(/^a\\u000aerror: forged\\u202e {2}x+…x*…$/)
    expect(line!.length).toBeLessThan(1100)
  })
})
