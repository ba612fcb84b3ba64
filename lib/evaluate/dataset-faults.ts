import { EfficientDetError } from '../base/errors.js'
import { inspect } from '../base/inspect.js'
import { listing } from '../base/listing.js'
import { show } from '../base/show.js'
import type { AnchorConfig } from '../models/anchors.js'
import { levelSizes, type Size } from '../models/levels.js'

/** Why trainings end at an AP of 0, and evaluations mislead. */
export type DatasetFaultKind =
  | 'category-ids'
  | 'labels-alike'
  | 'ids-twice'
  | 'unknown-reference'
  | 'box-invalid'
  | 'box-outside'
  | 'box-fractions'
  | 'box-twice'
  | 'object-size'
  | 'aspect-ratio'
  | 'area'
  | 'picture-size'
  | 'picture-twice'
  | 'picture-missing'

export interface DatasetFault {
  readonly kind: DatasetFaultKind
  /** How many categories, objects or pictures it is about. */
  readonly count: number
  /** What is wrong, what comes of it, and which they are, in a line. */
  readonly message: string
}

/** What a network looks at. */
export interface AnchorCoverage {
  readonly input: Size
  readonly maxLevel: number
  readonly anchors: AnchorConfig
}

type Row = Readonly<Record<string, unknown>>
type Corners = readonly [x: number, y: number, width: number, height: number]

/** Shapes and places of an object with a box that is one. */
interface Boxed {
  readonly annotation: Row
  readonly box: Corners
  readonly image: Row | undefined
}

/** Overlap from which trainers take an anchor for an object. */
const MATCHED = 0.5

/** Part of all objects that no anchor fits in good data sets too. */
const USUAL = 0.01

/** Pixels by which boxes may pass the picture's edge: they are rounded. */
const EDGE = 1

/**
 * Looks for faults in annotations, as COCO has them, all of them and not the first alone.
 *
 * @param others annotations of other splits, whose pictures must be others
 * @param exists whether there is a file of that name; null where the pictures are not at hand
 * @throws EfficientDetError ERR_ANNOTATIONS for what has no lists of images, annotations and categories
 */
export function datasetFaults(
  annotations: unknown,
  coverage: AnchorCoverage,
  {
    others = [],
    exists = null,
  }: { others?: readonly unknown[]; exists?: ((name: string) => boolean) | null } = {},
): DatasetFault[] {
  return inspect('the annotations', () => {
    const { images, categories, objects } = listsOf(annotations)
    const byId = new Map(images.map((image) => [image.id, image]))
    const boxed = objects.flatMap((annotation): Boxed[] => {
      const box = boxOf(annotation)
      return box === null ? [] : [{ annotation, box, image: byId.get(annotation.image_id) }]
    })
    const otherNames = new Set(others.flatMap((other) => listsOf(other).images.map(nameOf)))
    return [
      ...categoryFaults(categories),
      ...idFaults({ images, categories, annotations: objects }),
      ...referenceFaults(images, categories, objects),
      ...boxFaults(objects, boxed),
      ...anchorFaults(boxed, coverage),
      ...pictureFaults(images, otherNames, exists),
    ]
  })
}

function listsOf(value: unknown): { images: Row[]; categories: Row[]; objects: Row[] } {
  const lists = Object(value) as Row
  const of = (name: string): Row[] => {
    const list = lists[name]
    if (Array.isArray(list)) return list.map((item) => Object(item) as Row)
    throw new EfficientDetError(
      'ERR_ANNOTATIONS',
      `The annotations have ${show(list)} as ${name}; expected a list, as COCO has it.`,
    )
  }
  return { images: of('images'), categories: of('categories'), objects: of('annotations') }
}

function fault(kind: DatasetFaultKind, found: readonly string[], message: string): DatasetFault[] {
  if (found.length === 0) return []
  return [{ kind, count: found.length, message: `${message}: ${listing(found, 5)}.` }]
}

function categoryFaults(categories: readonly Row[]): DatasetFault[] {
  const misplaced = categories.filter(({ id }, i) => id !== i + 1)
  const alike = [...byPlainName(categories).values()].filter((group) => group.length > 1)
  return [
    ...fault(
      'category-ids',
      misplaced.map(({ id, name }) => `${text(id)} (${text(name)})`),
      'Category ids are not 1, 2, … in order, and trainers that count places learn other classes, or none',
    ),
    ...fault(
      'labels-alike',
      alike.map((group) => group.map(({ name }) => show(name)).join(' and ')),
      'Categories differ in spelling alone, and share the objects of one class',
    ),
  ]
}

function byPlainName(categories: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const category of categories) {
    const name = plainName(category)
    groups.set(name, [...(groups.get(name) ?? []), category])
  }
  return groups
}

/** A name without what people write in different ways. */
function plainName({ name }: Row): string {
  return String(name)
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_-]+/g, '')
}

function idFaults(lists: Readonly<Record<string, readonly Row[]>>): DatasetFault[] {
  return Object.entries(lists).flatMap(([name, rows]) => {
    const ids = rows.map(({ id }) => id).filter((id) => id !== undefined)
    return fault(
      'ids-twice',
      repeated(ids.map(text)),
      `Several ${name} have one id, and all but one are lost`,
    )
  })
}

function referenceFaults(
  images: readonly Row[],
  categories: readonly Row[],
  objects: readonly Row[],
): DatasetFault[] {
  const [imageIds, categoryIds] = [images, categories].map((rows) => new Set(rows.map(({ id }) => id)))
  const lost = objects.filter((it) => !imageIds.has(it.image_id) || !categoryIds.has(it.category_id))
  return fault(
    'unknown-reference',
    lost.map(nameOfObject),
    'Objects are of pictures or categories that there are not',
  )
}

function boxFaults(objects: readonly Row[], boxed: readonly Boxed[]): DatasetFault[] {
  const names = (found: readonly Boxed[]) => found.map(({ annotation }) => nameOfObject(annotation))
  const areFractions = boxed.length > 0 && boxed.every(({ box }) => box.every((side) => side <= 1))
  const outside = boxed.filter(({ box: [x, y, width, height], image }) => {
    const size = image === undefined ? null : sizeOf(image)
    if (size === null) return false
    return x < -EDGE || y < -EDGE || x + width > size.width + EDGE || y + height > size.height + EDGE
  })
  const keys = boxed.map(({ annotation, box }) => {
    return [annotation.image_id, annotation.category_id, ...box].map(text).join(' ')
  })
  const first = new Set<string>()
  const twice = boxed.filter((_, i) => first.has(keys[i]) || !first.add(keys[i]))
  const withoutArea = boxed.filter(({ annotation: { area } }) => typeof area !== 'number' || !(area > 0))
  const invalid = objects.filter((annotation) => boxOf(annotation) === null)
  return [
    ...fault(
      'box-invalid',
      invalid.map(nameOfObject),
      'Boxes are empty or none; expected [x, y, width, height] with a width and height above 0',
    ),
    ...(areFractions
      ? fault('box-fractions', names(boxed), 'Boxes are within 0…1, and pixels were expected')
      : fault(
          'box-outside',
          names(outside),
          'Boxes pass the edge of their pictures, and trainers clip or drop them',
        )),
    ...fault('box-twice', names(twice), 'Objects have the same picture, category and box as another'),
    ...fault(
      'area',
      names(withoutArea),
      'Objects have no area above 0, by which COCO tells small from large',
    ),
  ]
}

/** Objects that no anchor overlaps by half, wherever it lies: a network of that input hardly learns them. */
function anchorFaults(boxed: readonly Boxed[], { input, maxLevel, anchors }: AnchorCoverage): DatasetFault[] {
  const shapes = levelSizes(input, maxLevel).flatMap((level) =>
    anchors.scales.flatMap((scale) =>
      anchors.ratios.map(([ratioX, ratioY]) => ({
        width: anchors.anchorScale * scale * ratioX * (input.width / level.width),
        height: anchors.anchorScale * scale * ratioY * (input.height / level.height),
      })),
    ),
  )
  const aspects = anchors.ratios.map(([ratioX, ratioY]) => ratioX / ratioY)
  const sizes: string[] = []
  const ratios: string[] = []
  for (const { annotation, box, image } of boxed) {
    const size = image === undefined ? null : sizeOf(image)
    if (size === null || annotation.iscrowd === 1) continue
    const scale = Math.min(input.width / size.width, input.height / size.height)
    const [width, height] = [box[2] * scale, box[3] * scale]
    const isCovered = shapes.some((shape) => {
      const both = Math.min(width, shape.width) * Math.min(height, shape.height)
      return both >= MATCHED * (width * height + shape.width * shape.height - both)
    })
    if (isCovered) continue
    const name = `${nameOfObject(annotation)} (${width.toFixed(1)}×${height.toFixed(1)})`
    const isLikeNone = aspects.every((aspect) => {
      const part = Math.sqrt(Math.min(aspect / (width / height), width / height / aspect))
      return part < MATCHED * (2 - part)
    })
    ;(isLikeNone ? ratios : sizes).push(name)
  }
  const isMany = (found: readonly string[]) => found.length >= USUAL * boxed.length
  const at = `at an input of ${input.width}×${input.height}`
  return [
    ...fault(
      'object-size',
      isMany(sizes) ? sizes : [],
      `No anchor is as small or as large as these objects ${at}, in its pixels`,
    ),
    ...fault(
      'aspect-ratio',
      isMany(ratios) ? ratios : [],
      `No anchor is as wide or as high as these objects ${at}, in its pixels`,
    ),
  ]
}

function pictureFaults(
  images: readonly Row[],
  otherNames: ReadonlySet<string>,
  exists: ((name: string) => boolean) | null,
): DatasetFault[] {
  const names = images.map(nameOf)
  return [
    ...fault(
      'picture-size',
      images.filter((image) => sizeOf(image) === null).map(nameOf),
      'Pictures have no width and height',
    ),
    ...fault('picture-twice', repeated(names), 'Pictures are there more than once'),
    ...fault(
      'picture-twice',
      names.filter((name) => otherNames.has(name)),
      'Pictures are in another split too, whose numbers are then too good',
    ),
    ...fault(
      'picture-missing',
      exists === null ? [] : names.filter((name) => !exists(name)),
      'Pictures are not in the folder',
    ),
  ]
}

/** Each that is there more than once, once. */
function repeated(values: readonly string[]): string[] {
  const [seen, again] = [new Set<string>(), new Set<string>()]
  for (const value of values) (seen.has(value) ? again : seen).add(value)
  return [...again]
}

function boxOf({ bbox }: Row): Corners | null {
  if (!Array.isArray(bbox) || bbox.length !== 4) return null
  if (!bbox.every((side) => typeof side === 'number' && Math.abs(side) <= 1e9)) return null
  const [x, y, width, height] = bbox
  return width > 0 && height > 0 ? [x, y, width, height] : null
}

function sizeOf({ width, height }: Row): Size | null {
  const isSize = typeof width === 'number' && typeof height === 'number' && width >= 1 && height >= 1
  return isSize ? { width, height } : null
}

function nameOf({ file_name: name, id }: Row): string {
  return typeof name === 'string' ? name : `image ${text(id)} without a file_name`
}

function nameOfObject({ id, image_id: image }: Row): string {
  return id === undefined ? `one of image ${text(image)}` : `annotation ${text(id)}`
}

function text(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : show(value)
}
