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
})
