/** What a file is by its first bytes: a kind that can be opened, or a name for what it is instead. */
export type FileKind =
  | { readonly format: 'pytorch-zip' | 'pytorch-legacy' | 'safetensors' }
  /** What the file is, with its article and what to do about it, for a sentence that begins with "is". */
  | { readonly foreign: string }

/** How many bytes `fileKind` wants to see. */
export const HEAD_BYTES = 512

const DOWNLOAD_AGAIN = 'Download it again and compare its size.'
const TENSORFLOW = 'TensorFlow weights cannot be read; convert them with effdet (PyTorch) first.'

/** Text that begins a file of the kind. */
const SIGNATURES: readonly (readonly [bytes: string, offset: number, foreign: string])[] = [
  [
    'version https://git-lfs',
    0,
    'a Git LFS pointer, not the weights themselves. Run "git lfs pull" in its repository.',
  ],
  [
    'ustar',
    257,
    'a tar archive, as PyTorch before 0.1.10 wrote. Load it with PyTorch and save it again, ' +
      'or unpack it if the weights are inside.',
  ],
  ['\x89HDF\r\n\x1a\n', 0, `an HDF5 file (Keras). ${TENSORFLOW}`],
  ['TFL3', 4, 'a TensorFlow Lite model. Give the PyTorch weights it was made from.'],
  ['model_checkpoint_path:', 0, `the index of a TensorFlow checkpoint. ${TENSORFLOW}`],
  ['\x93NUMPY', 0, 'a NumPy array. Give a checkpoint of PyTorch or a safetensors file.'],
  ['ftrt', 0, 'a TensorRT engine, from which no weights can be taken. Give the weights it was built from.'],
  [
    '\x89EDE\r\n\x1a\n',
    0,
    "a TensorRT engine of this package: EfficientDet.load runs it with the backend 'tensorrt', and efficientdet inspect tells of it. Give weights here.",
  ],
  ['GGUF', 0, 'a GGUF file. Give a checkpoint of PyTorch or a safetensors file.'],
  ['\x1f\x8b', 0, 'compressed with gzip. Unpack it first.'],
  ['BZh', 0, 'compressed with bzip2. Unpack it first.'],
  ['\xfd7zXZ', 0, 'compressed with xz. Unpack it first.'],
  ['\x28\xb5\x2f\xfd', 0, 'compressed with zstd. Unpack it first.'],
  ['7z\xbc\xaf\x27\x1c', 0, 'a 7z archive. Unpack it first.'],
  ['\x89PNG', 0, 'a picture (PNG). Give the weights file.'],
  ['\xff\xd8\xff', 0, 'a picture (JPEG). Give the weights file.'],
]

/**
 * Recognises weights whatever the file's name, since `.pth`, `.pt`, `.bin`, `.ckpt` and `.pth.tar` say
 * nothing about what is inside.
 *
 * @param head the first `HEAD_BYTES` of the file, or all where it is shorter
 */
export function fileKind(head: Uint8Array): FileKind {
  const text = Buffer.from(head).toString('latin1')
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return { format: 'pytorch-zip' }
  // Protocol 2 and later begin with PROTO; the magic number of protocols 0 and 1 is text.
  if ((head[0] === 0x80 && head[1] <= 5) || text.startsWith('L119547037146038801333356L')) {
    return { format: 'pytorch-legacy' }
  }
  if (text[8] === '{') return { format: 'safetensors' }

  const signature = SIGNATURES.find(([bytes, offset]) => text.startsWith(bytes, offset))
  if (signature) return { foreign: signature[2] }
  if (/^(\xef\xbb\xbf)?\s*</.test(text)) {
    return {
      foreign: `a web page (HTML or XML), not weights: the download gave an error or a form. ${DOWNLOAD_AGAIN}`,
    }
  }
  // Protocol buffers: field 1 is a version, 1 in a SavedModel and 3 or more in ONNX, or a list of nodes.
  if (head[0] === 0x08 && head[1] === 1) return { foreign: `a TensorFlow SavedModel. ${TENSORFLOW}` }
  if (head[0] === 0x08 && head[1] < 32) {
    return { foreign: 'an ONNX model. Give the PyTorch or safetensors weights it was exported from.' }
  }
  if (head[0] === 0x0a && head.subarray(2, 4).includes(0x0a)) {
    return { foreign: `a TensorFlow graph. ${TENSORFLOW}` }
  }
  if (head.every((byte) => byte === 0)) {
    return { foreign: `not weights: it begins with zeros only. ${DOWNLOAD_AGAIN}` }
  }
  if (head.every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d))) {
    return { foreign: `a text file ("${text.slice(0, 40).trim().replace(/\s+/g, ' ')}…"), not weights.` }
  }
  return {
    foreign: 'of an unknown kind. Give a checkpoint of PyTorch (.pth, .pt, .ckpt) or a safetensors file.',
  }
}
