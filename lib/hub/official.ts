import { EfficientDetError } from '../base/errors.js'
import type { VariantName } from '../models/variants.js'

/** COCO weights that effdet's author published (Apache-2.0; TensorFlow's originals by Google). */
export interface OfficialModel {
  /** Name that the caller gives, such as `d0` or `d0_ap`. */
  readonly name: string
  readonly variant: VariantName
  readonly file: string
  /** Length of the file, or where that is not known, more than it can be: five bytes for each parameter. */
  readonly maxBytes: number
  /** Hexadecimal SHA-256, whole or its first digits as the file's name has them. */
  readonly sha256: string
}

const RELEASE = 'https://github.com/rwightman/efficientdet-pytorch/releases/download/v0.1'

/** Files of effdet's release. Whole sums were taken from the files; eight digits are those in the files' names. */
export const OFFICIAL_MODELS: readonly OfficialModel[] = (
  [
    ['d0', 'd0_34-f153e0cf', 15_839_413, 'f153e0cfe3c987981ab2d02ce32c8a5fa0b4092bc97abcf95c887e2e05bd4003'],
    ['d1', 'd1_40-a30f94af', 26_957_295, 'a30f94afc3326a6ef7a61c1657baefe3ea7168139006fbf0fe41807260b885b8'],
    ['d2', 'd2_43-8107aa99', 32_896_078, '8107aa9988942c88b909158e14de3319870d64e75bacbe4806c3b84aa8c700e3'],
    ['d3', 'd3_47-0b525f35', 48_799_941, '0b525f352fea3c768fd1a3cc885f1016d24d1b99cf299e8861e784a4ec2f0eff'],
    ['d4', 'd4_49-f56376d9', 83_812_262, 'f56376d93b7f0a5e75eb7d6a54ab6a767c230d4bcb2d44510392f53c781f40a0'],
    ['d5', 'd5_51-c79f9be6', 169e6, 'c79f9be6'],
    ['d6', 'd6_52-4eda3773', 260e6, '4eda3773'],
    ['d7', 'd7_53-6d1d7a95', 260e6, '6d1d7a95'],
    ['d7x', 'd7x-f390b87c', 386e6, 'f390b87c'],
    ['d0_ap', 'd0_ap-d0cdbd0a', 20e6, 'd0cdbd0a'],
    ['d1_ap', 'd1_ap-7721d075', 34e6, '7721d075'],
    ['d2_ap', 'd2_ap-a2995c19', 41e6, 'a2995c19'],
    ['d3_ap', 'd3_ap-e4a2feab', 61e6, 'e4a2feab'],
    ['d4_ap', 'd4_ap-f601a5fc', 104e6, 'f601a5fc'],
    ['d5_ap', 'd5_ap-3673ae5d', 169e6, '3673ae5d'],
    ['lite0', 'lite0-dfacfc78', 17e6, 'dfacfc78'],
    ['lite1', 'lite1-6dc7ab30', 22e6, '6dc7ab30'],
    ['lite2', 'lite2-86c5d55b', 27e6, '86c5d55b'],
    ['lite3', 'lite3-506852cb', 42e6, '506852cb'],
    ['lite3x', 'lite3x-8404c57b', 47e6, '8404c57b'],
    ['lite4', 'lite4-391ddabc', 76e6, '391ddabc'],
  ] as const
).map(([name, file, maxBytes, sha256]) => ({
  name,
  variant: name.replace('_ap', '') as VariantName,
  file: `tf_efficientdet_${file}.pth`,
  maxBytes,
  sha256,
}))

export function officialModel(name: string): OfficialModel | undefined {
  return OFFICIAL_MODELS.find((model) => model.name === name)
}

/** Whether its SHA-256 is known whole; another file with the same first digits can be made in minutes. */
export function hasWholeSum({ sha256 }: OfficialModel): boolean {
  return sha256.length === 64
}

/**
 * URL of a file: in the release, or on a mirror that has it under the same name, before its query.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION for a mirror that is no http or https URL
 */
export function downloadUrl({ file }: OfficialModel, mirror: string = RELEASE): URL {
  const url = URL.canParse(mirror) ? new URL(mirror) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `mirror is ${mirror} and no URL such as https://example.org/folder. Give that of a folder on a server.`,
    )
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${file}`
  url.hash = ''
  return url
}
