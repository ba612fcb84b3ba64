import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import type { Architecture } from '#lib/models/spec.js'
import { VARIANT_NAMES, type VariantName, variant } from '#lib/models/variants.js'
import { effdet, effdetLevelFirst } from '#lib/weights/naming/effdet.js'
import type { Naming } from '#lib/weights/naming/naming.js'
import { zylo } from '#lib/weights/naming/zylo.js'
import { fixture } from '../helpers/checkpoints.js'
import { tensorsOf } from '../helpers/weights.js'

/** By make_namings.py, from the networks themselves. */
const digests: Record<string, { tensors: number; sha256: string }> = JSON.parse(
  readFileSync(fixture('namings.json'), 'utf8'),
)

function digest(name: VariantName, naming: Naming, changes: Partial<Architecture> = {}) {
  const tensors = tensorsOf(name, naming, changes)
  const lines = [...tensors].map(([tensor, { shape }]) => `${tensor} ${shape.join()}`).sort()
  const sha256 = createHash('sha256').update(lines.join('\n')).digest('hex')
  return { tensors: tensors.size, sha256 }
}

describe('names and shapes of all tensors', () => {
  it.each(VARIANT_NAMES)("are those of effdet's tf_efficientdet_%s", (name) => {
    expect(digest(name, effdet)).toEqual(digests[`tf_efficientdet_${name}`])
  })

  it.each(['d0', 'd1', 'd2', 'd3'] as const)(
    "are those of effdet's efficientdet_%s, which has no redundant biases",
    (name) => {
      expect(digest(name, effdet, { redundantBias: false })).toEqual(digests[`efficientdet_${name}`])
    },
  )

  it.each(['d4', 'd5'] as const)("are those of effdet's efficientdet_%s", (name) => {
    expect(digest(name, effdet)).toEqual(digests[`efficientdet_${name}`])
  })

  it("are those of effdet's efficientdet_lite0, level first", () => {
    const changes: Partial<Architecture> = {
      variant: { ...variant('lite0'), fusion: 'fastattn' },
      redundantBias: false,
    }
    expect(digest('lite0', effdetLevelFirst, changes)).toEqual(digests.efficientdet_lite0)
  })

  it.each(['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7', 'd7x'] as const)(
    "are those of zylo's %s",
    (name) => {
      expect(digest(name, zylo)).toEqual(digests[`zylo-${name}`])
    },
  )
})

describe('tensors that are no weights', () => {
  it('are counters of BatchNorms, and fusion weights that zylo does not use', () => {
    expect(effdet.isUnused('backbone.bn1.num_batches_tracked', variant('d0'))).toBe(true)
    expect(effdet.isUnused('fpn.cell.0.fnode.0.combine.edge_weights', variant('d6'))).toBe(false)
    expect(zylo.isUnused('backbone_net.model._bn0.num_batches_tracked', variant('d0'))).toBe(true)
    expect(zylo.isUnused('bifpn.0.p6_w1', variant('d6'))).toBe(true)
    expect(zylo.isUnused('bifpn.0.p6_w1', variant('d0'))).toBe(false)
  })
})
