// Compares native preprocessing with its twin on noise of all formats and many sizes; tells of which frames they differ.
import { nativeCodes, Preprocessor } from '../../../dist/backends/cpu/preprocessor.js'
import { PIXEL_FORMATS } from '../../../dist/image/frame.js'
import { preprocess } from '../../../dist/image/preprocess.js'
import { toRgb } from '../../../dist/image/rgb.js'
import { preprocessingOf } from '../../../dist/models/preprocessing.js'

let state = 1
/** A whole number in 0…n−1 (Park and Miller's minimal standard). */
const random = (n) => {
  state = (state * 48271) % 2147483647
  return state % n
}

const different = []
let frames = 0
for (const [width, height, inputWidth, inputHeight] of [
  [200, 100, 64, 64],
  [33, 77, 64, 48],
  [1, 1, 9, 5],
  [1500, 3, 40, 20],
  [64, 64, 64, 64],
  ...Array.from({ length: 5 }, () => [1 + random(300), 1 + random(300), 1 + random(90), 1 + random(90)]),
]) {
  for (const origin of ['effdet', 'zylo']) {
    const input = { width: inputWidth, height: inputHeight }
    const how = preprocessingOf(origin, 'imagenet')
    const preprocessor = new Preprocessor(input, how)
    for (const format of PIXEL_FORMATS) {
      const data = Uint8Array.from({ length: 4 * (width + 1) * (height + 1) }, () => random(256))
      const frame = { data, format, width, height }
      const [native, twin] = [preprocessor.run(frame), preprocess(toRgb(frame), input, how)]
      frames++
      if (!Buffer.from(native.tensor.buffer).equals(Buffer.from(twin.tensor.buffer))) {
        different.push(`${origin} ${format} ${width}×${height} into ${inputWidth}×${inputHeight}`)
      }
    }
  }
}
console.log(JSON.stringify({ codes: nativeCodes(), frames, different }))
