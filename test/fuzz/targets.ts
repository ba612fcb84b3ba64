import { createHash } from 'node:crypto'
import { ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EfficientDetError } from '#lib/base/errors.js'
import { checkCompatibility } from '#lib/engines/compatibility.js'
import { decodeHeader, decodePreamble, PREAMBLE_BYTES } from '#lib/engines/file-format.js'
import { headerToJson } from '#lib/engines/header.js'
import { differences, engineKey } from '#lib/engines/key.js'
import { readLabels } from '#lib/weights/label-file.js'
import { fromMetadata } from '#lib/weights/metadata.js'
import { unpickle } from '#lib/weights/pytorch/pickle.js'
import { openPyTorch } from '#lib/weights/pytorch/pytorch.js'
import { stateDictsIn } from '#lib/weights/pytorch/state-dict.js'
import { openSafetensors } from '#lib/weights/safetensors/reader.js'
import type { Checkpoint } from '#lib/weights/tensor.js'
import type { WeightsFile } from '#lib/weights/weights-file.js'
import { HEADER } from '../helpers/engines.js'
import { memoryReader } from '../helpers/pickles.js'

/** A reader of what strangers write, for the fuzzer and for the regression test of what it found. */
export interface FuzzTarget {
  /** Reads bytes; what it throws must be an EfficientDetError with one of the codes. */
  read(bytes: Uint8Array): Promise<void>
  readonly codes: readonly string[]
  /** What to begin with, beside files of the fixtures. */
  readonly examples?: readonly Uint8Array[]
  /** Pieces that random bytes seldom hit on, as Latin-1. */
  readonly tokens: readonly string[]
}

const folder = mkdtempSync(join(tmpdir(), 'efficientdet-fuzz-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const PATH = join(folder, 'file')
const descriptor = openSync(PATH, 'w+')

/** A weights file of these bytes: what is read asynchronously comes from memory, which is faster. */
function fileOf(bytes: Uint8Array): WeightsFile {
  ftruncateSync(descriptor)
  writeSync(descriptor, bytes, 0, bytes.length, 0)
  const read = async (target: Uint8Array, offset: number, length: number, position: number) => {
    const part = bytes.subarray(position, position + length)
    target.set(part, offset)
    return { bytesRead: part.length }
  }
  return { path: 'x.pth', size: bytes.length, handle: { fd: descriptor, read } as unknown as FileHandle }
}

/** Reads what an opened file holds, as loading a model does. */
async function readAll({ tensors, metadata }: Omit<Checkpoint, 'close'>): Promise<void> {
  for (const { shape, read } of tensors.values()) {
    const count = shape.reduce((product, size) => product * size, 1)
    const { length } = await read()
    if (length !== count) throw new Error(`a tensor of ${count} values has ${length}`)
  }
  fromMetadata(metadata)
}

/** Reads a header as if an engine file had it, rightly signed, and does with it what loading does. */
async function readHeader(json: Uint8Array): Promise<void> {
  const preamble = Buffer.alloc(PREAMBLE_BYTES)
  preamble.write('\x89EDE\r\n\x1a\n', 'latin1')
  preamble.writeUInt32LE(2, 8)
  preamble.writeUInt32LE(json.length, 12)
  preamble.set(createHash('sha256').update(preamble.subarray(0, 56)).update(json).digest(), 56)
  const layout = decodePreamble('x.engine', preamble, PREAMBLE_BYTES + json.length)
  const header = decodeHeader('x.engine', preamble, json, layout)
  const again = headerToJson(header)
  if (again.length > 8 * json.length) throw new Error('the header grew')
  engineKey(header)
  differences(header, HEADER)
  const { family, libraryVersion, platform } = header.target
  const device = { name: 'a GPU', computeCapability: 89 }
  checkCompatibility('x.engine', header, { family, libraryVersion, platform, device })
}

const WEIGHTS_CODES = ['ERR_WEIGHTS', 'ERR_WEIGHTS_AMBIGUOUS', 'ERR_UNSAFE_PICKLE', 'ERR_LABELS']

const PICKLE_TOKENS = [
  'ctorch._utils\n_rebuild_tensor_v2\n',
  'ctorch._utils\n_rebuild_parameter\n',
  'ctorch._tensor\n_rebuild_from_type_v2\n',
  'ctorch\nFloatStorage\n',
  'ctorch\nHalfStorage\n',
  'ctorch.storage\nUntypedStorage\n',
  'ctorch\nSize\n',
  'ccollections\nOrderedDict\n',
  'ccopy_reg\n_reconstructor\n',
  'X\x07\0\0\0storage',
  'U\x07storage',
  'X\x01\0\0\x000',
  'X\x03\0\0\0cpu',
  'X\x0a\0\0\0state_dict',
  'X\x03\0\0\0ema',
  'X\x05\0\0\0model',
  'K\x00',
  'K\x01',
  'K\x04',
  'M\x00\x04',
  'J\xff\xff\xff\x7f',
  '\x8a\x08\xff\xff\xff\xff\xff\xff\x1f\0',
  '\x80\x02',
  '\x95\x05\0\0\0\0\0\0\0',
  'F1.5e3\n',
  'I01\n',
  'L-12L\n',
  "S'a\\x41'\n",
  'V\\u0041\n',
  'p0\n',
  'g0\n',
  'q\x00',
  'h\x00',
  '\x94',
  '(',
  't',
  'l',
  'd',
  'u',
  'e',
  's',
  'a',
  ')',
  ']',
  '}',
  '\x85',
  '\x86',
  '\x87',
  'R',
  'Q',
  'b',
  '\x81',
  '\x93',
  '.',
]

export const TARGETS: ReadonlyMap<string, FuzzTarget> = new Map<string, FuzzTarget>([
  [
    'pickle',
    {
      async read(bytes) {
        stateDictsIn(unpickle(memoryReader(bytes), { name: 'x.pth' }))
      },
      codes: WEIGHTS_CODES,
      tokens: PICKLE_TOKENS,
    },
  ],
  [
    'zip',
    {
      read: async (bytes) => readAll(await openPyTorch(fileOf(bytes), 'zip')),
      codes: WEIGHTS_CODES,
      tokens: [
        'PK\x01\x02',
        'PK\x03\x04',
        'PK\x05\x06',
        'PK\x06\x06',
        'PK\x06\x07',
        'archive/data.pkl',
        'archive/data/0',
        'archive/version',
        'archive/byteorder',
        '\xff\xff\xff\xff',
        '\xff\xff',
        ...PICKLE_TOKENS.slice(0, 24),
      ],
    },
  ],
  [
    'safetensors',
    {
      read: async (bytes) => readAll(await openSafetensors(fileOf(bytes))),
      codes: WEIGHTS_CODES,
      tokens: [
        '"__metadata__":',
        '"__proto__":',
        '"dtype":',
        '"shape":',
        '"data_offsets":',
        '"F32"',
        '"BF16"',
        '"I64"',
        '"format":"efficientdet-trt/1"',
        '"model":"d0"',
        '"origin":"effdet"',
        '"labels":"[]"',
        '"padding":"{}"',
        '[0,0]',
        '[]',
        '{}',
        '9007199254740993',
        '1e308',
        '-1',
        '"\\u0000"',
      ],
    },
  ],
  [
    'labels',
    {
      async read(bytes) {
        ftruncateSync(descriptor)
        writeSync(descriptor, bytes, 0, bytes.length, 0)
        await readLabels(PATH)
      },
      codes: ['ERR_LABELS'],
      examples: [
        'person\n\ndog\n',
        '0: person\n1: dog\n',
        '["person", "dog"]',
        '{"names": {"0": "person", "1": "dog"}, "nc": 2}',
        "nc: 2\nnames:\n  - person\n  - 'traffic light'\n",
        'obj_list: [person, dog]\n',
        'item {\n  id: 1\n  name: "/m/01g317"\n  display_name: "person"\n}\n',
      ].map((text) => Buffer.from(text)),
      tokens: [
        'names:',
        'obj_list:',
        'id2label:',
        'item {',
        'id: 1',
        'display_name:',
        '\n',
        '- ',
        '{',
        '}',
        '[',
        ']',
        '"',
        ',',
        '0',
        '1',
        ': ',
        '&a ',
        '*a',
        '!!map ',
        '|\n',
        '\xff\xfe',
        '\xef\xbb\xbf',
        '#',
        '? ',
      ],
    },
  ],
  [
    'engine',
    {
      read: readHeader,
      examples: [Buffer.from(headerToJson(HEADER))],
      codes: ['ERR_ENGINE'],
      tokens: [
        'null',
        'true',
        '{}',
        '[]',
        '1e308',
        '-1',
        '65536',
        '8192',
        '0.5',
        '"__proto__":{}',
        '"d7x"',
        '"bilinear"',
        '"symmetric"',
        '"computeCapabilities":[]',
        '"referenceDetections":null',
      ],
    },
  ],
])

/** What reading bytes comes to. @throws Error for anything that is no refusal of the target's */
export async function outcomeOf({ read, codes }: FuzzTarget, bytes: Uint8Array): Promise<string> {
  try {
    await read(bytes)
    return 'read'
  } catch (error) {
    if (error instanceof EfficientDetError && codes.includes(error.code) && error.message.length < 20_000) {
      return error.code
    }
    throw error
  }
}
