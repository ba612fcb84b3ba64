import { backbone } from '../models/backbones.js'
import type { Architecture } from '../models/spec.js'
import { biFpn } from './bifpn.js'
import { efficientNet } from './efficientnet.js'
import { heads } from './heads.js'
import type { FeatureMap, Layers } from './layers.js'

/** The whole network, from normalised images to the two head outputs. */
export function efficientDet<T extends FeatureMap>(
  layers: Layers<T>,
  images: T,
  architecture: Architecture,
): void {
  const { variant, padding } = architecture
  const taps = efficientNet(layers, images, backbone(variant.backbone), variant.activation, padding.backbone)
  heads(layers, biFpn(layers, images, taps, architecture), architecture)
}
