import type { Size } from '../models/levels.js'
import { levelSizes } from '../models/levels.js'
import type { Architecture } from '../models/spec.js'
import type { FeatureMap, Layers } from './layers.js'

/** A map of the pyramid: which level it belongs to and its number among a cell's inputs and nodes. */
interface Entry<T> {
  readonly level: number
  readonly map: T
}

/**
 * The weighted bi-directional feature pyramid (paper section 3): coarser levels made from P5, then cells
 * that go down from the coarsest level to P3 and up again. Returns P3…P`maxLevel`.
 */
export function biFpn<T extends FeatureMap>(
  layers: Layers<T>,
  input: Size,
  taps: readonly [T, T, T],
  architecture: Architecture,
): T[] {
  const { variant, padding, redundantBias } = architecture
  const sizes = levelSizes(input, variant.maxLevel)
  const fpn: Fpn<T> = { layers, architecture, sizes }

  let levels: T[] = [...taps]
  for (let level = 6; level <= variant.maxLevel; level++) {
    let x = levels.at(-1)!
    // P6 gets its channels before it is pooled; P7 and P8 are pooled only.
    if (x.channels !== variant.fpnChannels) {
      x = layers.conv(x, {
        name: `fpn.resample.${level - 3}.conv.conv`,
        bias: redundantBias,
        batchNorm: `fpn.resample.${level - 3}.conv.bn`,
        kernel: 1,
        out: variant.fpnChannels,
      })
    }
    levels.push(layers.maxPool(x, padding.fpn, padding.pool))
  }
  for (let cell = 0; cell < variant.fpnCells; cell++) {
    levels = biFpnCell(fpn, levels, `fpn.cell.${cell}`)
  }
  return levels
}

interface Fpn<T extends FeatureMap> {
  readonly layers: Layers<T>
  readonly architecture: Architecture
  /** Sizes of P3…, in order. */
  readonly sizes: readonly Size[]
}

/**
 * One cell (automl tf2/fpn_configs.py:24-75): going down, a node takes the newest map of its level and the one above.
 *
 * Going up, it takes all maps of its level and the newest of the level below.
 */
function biFpnCell<T extends FeatureMap>(fpn: Fpn<T>, inputs: readonly T[], name: string): T[] {
  const entries: Entry<T>[] = inputs.map((map, i) => ({ level: i + 3, map }))
  const maxLevel = inputs.length + 2
  const idsOf = (level: number) => entries.flatMap((entry, id) => (entry.level === level ? [id] : []))
  const newest = (level: number) => idsOf(level).at(-1)!
  let node = 0
  const addNode = (level: number, ids: readonly number[]) => {
    entries.push({ level, map: fuseNode(fpn, entries, level, ids, `${name}.fnode.${node++}`) })
  }
  for (let level = maxLevel - 1; level >= 3; level--) addNode(level, [newest(level), newest(level + 1)])
  for (let level = 4; level <= maxLevel; level++) addNode(level, [...idsOf(level), newest(level - 1)])
  return inputs.map((_, i) => entries[newest(i + 3)]!.map)
}

/** Brings maps to one level, sums them, and applies activation, separable convolution and BatchNorm. */
function fuseNode<T extends FeatureMap>(
  { layers, architecture, sizes }: Fpn<T>,
  entries: readonly Entry<T>[],
  level: number,
  ids: readonly number[],
  name: string,
): T {
  const { variant, padding, redundantBias } = architecture
  const maps = ids.map((id) => {
    const entry = entries[id]!
    let x = entry.map
    // Only raw backbone maps differ in width: each consumer in cell 0 has a convolution of its own for them.
    if (x.channels !== variant.fpnChannels) {
      x = layers.conv(x, {
        name: `${name}.combine.resample.${id}.conv.conv`,
        bias: redundantBias,
        batchNorm: `${name}.combine.resample.${id}.conv.bn`,
        kernel: 1,
        out: variant.fpnChannels,
      })
    }
    if (entry.level < level) return layers.maxPool(x, padding.fpn, padding.pool)
    return entry.level > level ? layers.upsample(x, sizes[level - 3]!) : x
  })
  const weights = variant.fusion === 'fastattn' ? `${name}.combine.edge_weights` : null
  const fused = layers.activate(layers.fuse(maps, weights), variant.activation)
  const convolution = `${name}.after_combine.conv`
  const x = layers.conv(fused, {
    name: `${convolution}.conv_dw`,
    kernel: 3,
    padding: padding.fpn,
    out: fused.channels,
    depthwise: true,
  })
  return layers.conv(x, {
    name: `${convolution}.conv_pw`,
    bias: redundantBias,
    batchNorm: `${convolution}.bn`,
    kernel: 1,
    out: variant.fpnChannels,
  })
}
