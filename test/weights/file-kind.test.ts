import { open } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

import { fileKind, HEAD_BYTES } from '#lib/weights/file-kind.js'
import { EXPECTED, fixture } from '../helpers/checkpoints.js'

const latin1 = (text: string) => Buffer.from(text, 'latin1')

async function head(name: string): Promise<Uint8Array> {
  await using file = await open(fixture(name))
  const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0)
  return buffer.subarray(0, bytesRead)
}

describe('fileKind', () => {
  it.each(Object.keys(EXPECTED))('knows %s', async (name) => {
    const format = name.endsWith('.safetensors')
      ? 'safetensors'
      : name.includes('legacy')
        ? 'pytorch-legacy'
        : 'pytorch-zip'
    expect(fileKind(await head(name))).toEqual({ format })
  })

  it.each([
    [
      'a Git LFS pointer',
      latin1('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      /git lfs pull/,
    ],
    ['an HDF5 file', latin1('\x89HDF\r\n\x1a\n\0\0'), /HDF5 file \(Keras\)/],
    ['a TensorFlow Lite model', latin1('\x1c\0\0\0TFL3'), /TensorFlow Lite/],
    [
      'a TensorFlow checkpoint index',
      latin1('model_checkpoint_path: "model.ckpt-1"'),
      /TensorFlow checkpoint/,
    ],
    ['a SavedModel', latin1('\x08\x01\x12\x10'), /SavedModel/],
    ['a TensorFlow graph', latin1('\n\x1f\n\x05input\x12\x0bPlaceholder'), /TensorFlow graph/],
    ['an ONNX model', latin1('\x08\x08\x12\x07pytorch'), /ONNX model/],
    ['a TensorRT engine', latin1('ftrt\0\0\0\0'), /TensorRT engine/],
    ['a NumPy array', latin1('\x93NUMPY\x01\0'), /NumPy array/],
    ['a GGUF file', latin1('GGUF\x03\0\0\0'), /GGUF/],
    ['a gzip file', latin1('\x1f\x8b\x08\0'), /gzip\. Unpack/],
    ['a PNG', latin1('\x89PNG\r\n\x1a\n'), /picture \(PNG\)/],
    ['a JPEG', latin1('\xff\xd8\xff\xe0\0\x10JFIF'), /picture \(JPEG\)/],
    ['a web page', latin1('\n  <html>\n<head>'), /web page/],
    ['a web page with a byte order mark', latin1('\xef\xbb\xbf<?xml version="1.0"?>'), /web page/],
    ['zeros', new Uint8Array(HEAD_BYTES), /begins with zeros only/],
    ['text', latin1('epoch,loss\n1,0.5\n'), /a text file \("epoch,loss 1,0\.5…"\)/],
    ['a single byte', latin1('\xfe'), /unknown kind/],
    ['a newer pickle', latin1('\x80\x06.'), /unknown kind/],
    ['noise', latin1('\x9c\x01\xe7\x00\x42'), /unknown kind/],
  ])('names %s', (_, bytes, message) => {
    expect(fileKind(bytes)).toEqual({ foreign: expect.stringMatching(message) })
  })

  it('names an old tar of PyTorch', async () => {
    expect(fileKind(await head('old.tar'))).toEqual({
      foreign: expect.stringMatching(/PyTorch before 0\.1\.10/),
    })
  })

  it('answers for any two first bytes', () => {
    for (let first = 0; first < 0x10000; first++) {
      expect(Object.keys(fileKind(Uint8Array.of(first >> 8, first & 0xff)))).toHaveLength(1)
    }
  })
})
