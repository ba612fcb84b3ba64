import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLabels } from '#lib/index.js'
import { COCO_LABELS } from '#lib/models/labels.js'
import { temporaryFile, temporaryFolder } from '../helpers/checkpoints.js'
import { refusal } from '../helpers/refusal.js'

const read = async (content: string | Uint8Array, name = 'labels.txt') =>
  readLabels(await temporaryFile(content, name))

const utf16 = (text: string, bigEndian = false) => {
  const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le')
  return bigEndian ? bytes.swap16() : bytes
}

const THREE = ['person', '', 'traffic light']

describe('class names are read from', () => {
  it.each([
    ['lines', 'person\n\ntraffic light\n'],
    ['lines with CR LF', 'person\r\n\r\ntraffic light\r\n\r\n'],
    ['lines with CR', 'person\r\rtraffic light'],
    ['lines after a byte order mark', '\uFEFFperson\n\ntraffic light'],
    ['lines with ids and colons', '0: person\n1:\n2: traffic light\n'],
    ['lines with ids in any order', '2: traffic light\n0: person\n1:'],
    ['lines with ids from 1', '1: person\n2:\n3: traffic light'],
    ['lines with ids, quoted', '0: "person"\n1: ""\n2: \'traffic light\''],
    ['a JSON list', '["person", null, "traffic light"]'],
    ['an indented JSON list', '[\n\t"person",\n\t"",\n\t"traffic light"\n]'],
    ["Python's list", "['person', '', 'traffic light']"],
    ['JSON by ids', '{"0": "person", "1": "", "2": "traffic light"}'],
    ['JSON by names', '{"names": ["person", "", "traffic light"]}'],
    ['JSON of ids by names', '{"traffic light": 2, "person": 0, "": 1}'],
    ["transformers' JSON", '{"id2label": {"0": "person", "1": "", "2": "traffic light"}}'],
    ['a YAML list', '- person\n- ~\n- traffic light'],
    ['a whole YAML document', '%YAML 1.2\n# mine\n---\n- person\n- ~\n- traffic light\n...\n'],
    ['a YAML list with comments', '# mine\n- person\n- ~\n\n# last\n- traffic\n  light'],
    ['a YAML list under another key', 'class_names:\n- person\n- ~\n- traffic light'],
    ["an assignment of Python's list", 'CLASSES = ["person", "",\n  "traffic light"]'],
    ['quoted lines', '"person"\n""\n"traffic light"\n'],
    ['quoted lines with commas', "'person',\n'',\n'traffic light',\n"],
    [
      "COCO's annotations",
      '{"images": [], "categories": [{"id": 3, "name": "traffic light"}, {"id": 1, "name": "person", "supercategory": "x"}]}',
    ],
    [
      'a list of objects with ids from 0',
      '- {id: 0, name: person}\n- {id: 2, name: traffic light}\n- id: 1\n  name: ""',
    ],
    ["transformers' ids by names", '{"label2id": {"traffic light": 2, "person": 0, "": 1}}'],
    ["YOLO's data file", 'path: ../data\nnc: 3\nnames:\n  0: person\n  1:\n  2: traffic light\n'],
    ["YOLO's data file with a list", "train: a\nnc: 3\nnames: ['person', '', traffic light] # three\n"],
    [
      "zylo's project",
      "project_name: x\nanchors_scales: '[2 ** 0]'\nobj_list: ['person', '',\n  'traffic light']\nnum_gpus: 1\n",
    ],
    [
      "TensorFlow's label map",
      '# map\nitem {\n  id: 1\n  name: "person"\n}\nitem { id: 3 name: \'/m/015qff\' display_name: "traffic light" }\n',
    ],
    [
      'a label map in other brackets',
      "name: 'm'\nitem < id: 1 name: 'person' >\nitem [{ id: 3, name: 'traffic ' 'light' }]",
    ],
    [
      'a label map with more in it',
      'item: { keypoints { id: 9 label: "nose" } name: "person", id: 1 }; item { name: "traffic light" id: 3 }',
    ],
  ])('%s', async (_, content) => expect(await read(content)).toEqual(THREE))

  it.each([
    ['in CSV with heads', 'id,name\r\n1,car\r\n0,person'],
    ['in CSV with heads and more columns', 'name;supercategory;class_id\nperson;human;1\ncar;vehicle;2'],
    ['in a table with an empty column', 'id\t\tname\n0\t\tperson\n1\t\tcar'],
    ['in quoted CSV', '"0","person"\n"1","car"'],
    ['in a table of bars', '0|person\n1 | car'],
    ['after a comment', '# mine\n0: person\n1: car'],
    ['with full stops', '1. person\n2. car'],
    ['in brackets', '[0] person\n[1] car'],
    ['in parentheses', '1) person\n2) car'],
    ['with dashes', '0 - person\n1 - car'],
    ['with arrows', '0 -> person\n1 -> car'],
    ['after the names', 'person 1\ncar 2'],
    ['in parentheses after the names', 'car (1)\nperson (0)'],
    ['in YAML after its first line', '---\n0: person\n1: car'],
    ['with spaces', '0 person\n1 car'],
    ['with tabs', '0\tperson\n1\tcar'],
    ['as CSV', 'person,0\ncar,1'],
    ['as CSV with ids first', '0,person\n1,car'],
    ['as pairs', 'person = 0\ncar = 1'],
  ])('lines with ids %s', async (_, content) => expect(await read(content)).toEqual(['person', 'car']))

  it.each([false, true])('UTF-16 with a byte order mark (big endian: %s)', async (bigEndian) => {
    expect(await read(utf16('café\n人\n', bigEndian))).toEqual(['café', '人'])
  })

  it('a label map whose names are escaped as protobuf does', async () => {
    const map = `item { id: 1 name: "caf\\303\\251" } item { id: 2 name: 'it\\'s \\x41\\"' }`
    expect(await read(map)).toEqual(['café', 'it\'s A"'])
  })

  it('CSV whose cells hold separators and quotes', async () => {
    expect(await read('0,"traffic, light"\n1,"the ""big"" one"')).toEqual(['traffic, light', 'the "big" one'])
  })

  it('a list of COCO, whose gaps stay gaps', async () => {
    expect(await read(COCO_LABELS.join('\n'))).toEqual(COCO_LABELS)
  })
})

describe('numbers that belong to names stay in them', () => {
  it.each([
    ['20 km/h\n30 km/h\n50 km/h', ['20 km/h', '30 km/h', '50 km/h']],
    ['class 1\nclass 2', ['class 1', 'class 2']],
    ['floor 1\nroof 3', ['floor 1', 'roof 3']],
    ['#1\n#2', ['#1', '#2']],
    ['0 person\ncar', ['0 person', 'car']],
    ['["0 person", "1 car"]', ['0 person', '1 car']],
    ['names: [0, 007, yes, 1.50]', ['0', '007', 'yes', '1.50']],
    ['7\n8\n9', ['7', '8', '9']],
  ])('%j', async (content, labels) => expect(await read(content)).toEqual(labels))
})

describe('a label file is refused', () => {
  it.each([
    ['without names', '', /holds no names\. Expected one name a line; CSV/],
    ['of empty lines', '\uFEFF\r\n\r\n', /holds no names/],
    ['of an empty list', '[]', /holds no names/],
    ['of an empty object', '{}', /holds no names/],
    [
      'with a missing id',
      '0: person\n2: car',
      /gives 2 class ids up to 2, but lacks 1\. Give every class an id/,
    ],
    ['with an id twice', '0: person\n0: car', /gives the class id 0 twice \("person", "car"\)/],
    ['with ids from 5', '5: person\n6: car', /lacks 1, 2/],
    [
      'with ids here and there',
      '0: person\ncar',
      /number before the name in line 1 \("0: person"\), but none in line 2/,
    ],
    [
      'with ids here and there after names',
      'person=0\ncar',
      /number after the name in line 1 \("person=0"\), but none in line 2/,
    ],
    ['of columns without ids', '/m/01,Cat\n/m/02,Dog', /has 2 columns .* nothing tells which has the names/],
    ['of three columns without heads', '0,person,human\n1,car,vehicle', /has 3 columns .*such as id,name/],
    ['of names in one line', 'person, car, dog', /has 3 columns/],
    [
      'with a column of ids that has others',
      'id,name\nperson,0',
      /"person" where the column of class ids should have a number/,
    ],
    [
      'with one name after several numbers',
      '1 euro\n2 euro',
      /same name after several numbers\. If the numbers belong/,
    ],
    ['with another count', 'nc: 3\nnames: [a, b]', /has 2 names, but nc is 3/],
    ['that maps numbers to numbers', '{"0": 1, "1": 0}', /maps numbers to numbers/],
    [
      'with keys that are no ids',
      '{"images": [], "annotations": []}',
      /keys are no class ids \(images, annotations\)/,
    ],
    ['with a key twice', '{"0": "a", "0": "b"}', /has an object with the same key twice/],
    ['that is half JSON', '["person", "car"', /looks like JSON or YAML, but is not/],
    ['with a list in a list', '[["person"]]', /has a list where a class name should be/],
    ['that nests deeply', '['.repeat(1 << 15), /nests deeper than such files do/],
    ['of lists in lists', `${'- '.repeat(60)}a`, /nests deeper than such files do/],
    ['of a label map that counts from 0', 'item { id: 0 name: "a" }', /id 0; label maps count from 1/],
    ['of a label map without an id', 'item { name: "a" }', /id left out; label maps count from 1/],
    [
      'of a label map with an id twice',
      'item{id:1 name:"a"} item{id:1 name:"b"}',
      /several items with the id 1/,
    ],
    ['of a label map without a name', 'item { id: 1 }', /item without a name \(id 1\)/],
    ['of half a label map', 'item { id: 1 name: "a"', /ends in the middle/],
    ['of a damaged label map', 'item {\n id: 1 name: "a\n}', /damaged in line 2/],
    [
      'with control characters',
      'per\x1b[31mson\ncar',
      /control character in the name of class 0 \("per\\u001b\[31mson"\)/,
    ],
    ['with a line that is no name', `a${' '.repeat(2000)}b`, /has 2002 characters in line 1/],
    [
      'with anchors that multiply',
      `a: &a [x]\nnames: [${'*a,'.repeat(3)}]`,
      /has a list where a class name should be/,
    ],
  ])('%s', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(refusal('ERR_LABELS', message))
  })

  it.each([
    '# mine\nperson',
    '// mine\nperson',
    '<html>',
    'dataset:\n  names: [a]',
    'items { id: 1 name: "a" }',
    "('person',\n'car')",
    '* person\n* car',
  ])('with a line of another kind: %j', async (content) => {
    await expect(read(content)).rejects.toThrow(
      refusal('ERR_LABELS', /no plain name in line 1 .*give a JSON list/),
    )
  })

  it.each([
    [
      'Latin-1',
      Buffer.from('person\ncaf\xe9\n', 'latin1'),
      /is not UTF-8: byte 0xe9 in line 2, as Latin-1 .*iconv/,
    ],
    ['UTF-16 without a mark', Buffer.from('person', 'utf16le'), /UTF-16 or UTF-32 .* no byte order mark/],
    ['UTF-32', Buffer.from('fffe000070000000', 'hex'), /UTF-16 or UTF-32/],
    ['half a UTF-16 file', Buffer.concat([utf16('ab'), Buffer.of(0x41)]), /UTF-16 or UTF-32 that is damaged/],
    ['a picture', Buffer.from('ffd8ffe000104a46', 'hex'), /is not UTF-8/],
    [
      'more than names take',
      Buffer.alloc((1 << 20) + 1, 'a\n'),
      /has 1048577 bytes, and 1048576 are the most/,
    ],
  ])('as bytes: %s', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(refusal('ERR_LABELS', message))
  })

  it.each([[Symbol('x')], [Object.create(null)], [undefined], [''], ['a\0b']])(
    'whose path is none (case %#)',
    async (path) => {
      await expect(readLabels(path as never)).rejects.toThrow(
        refusal('ERR_INVALID_OPTION', /^path is .*; expected a file's path\.$/),
      )
    },
  )

  it('that is a folder, or not there', async () => {
    const folder = join(await temporaryFolder(), 'labels.txt')
    await expect(readLabels(folder)).rejects.toThrow(
      refusal('ERR_LABELS', /labels\.txt cannot be read \(ENOENT/),
    )
    await mkdir(folder)
    await expect(readLabels(folder)).rejects.toThrow(
      refusal('ERR_LABELS', /labels\.txt is a folder\. Expected/),
    )
  })

  it.each([
    ['brackets', '['.repeat(1 << 16)],
    ['braces', '{'.repeat(1 << 16)],
    ['ids', `names:\n${Array.from({ length: 5000 }, (_, i) => `  ${i}: c`).join('\n')}`],
    ['comments', '# '.repeat(1 << 18)],
    ['tabs', `names\t:\n${'\t'.repeat(1 << 19)}`],
    [
      'aliases',
      `a: &a [x]\n${Array.from({ length: 5 }, (_, i) => `${'bcdef'[i]}: &${'bcdef'[i]} [${`*${'abcde'[i]},`.repeat(9)}]`).join('\n')}\nnames: *f`,
    ],
  ])('or read in a bounded time, whatever is in it: %s', async (_, content) => {
    const begin = performance.now()
    await read(content.slice(0, 1 << 20)).catch((error) =>
      expect(error).toMatchObject({ code: 'ERR_LABELS' }),
    )
    expect(performance.now() - begin).toBeLessThan(5000)
  })
})
