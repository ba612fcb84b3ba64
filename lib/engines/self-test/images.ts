import { fileURLToPath } from 'node:url'
import { EfficientDetError } from '../../base/errors.js'
import { packageFile } from '../../base/package-file.js'
import { decode } from '../../image/decode.js'
import type { Frame } from '../../image/frame.js'
import { loadSharp } from '../../image/sharp.js'

/**
 * The images that engines are tested with: a photograph, its mirror image, and it upside down. Three, which divide no
 * power of two, show frames that change places.
 *
 * Engine files hold reference detections of them: whoever changes them gives file-format.ts another VERSION.
 *
 * @throws EfficientDetError ERR_PACKAGE_FILE in a bundle, ERR_IMAGE where sharp cannot be loaded
 */
export async function testImages(): Promise<readonly Frame[]> {
  const path = fileURLToPath(packageFile('../../../models/person/person.jpg', import.meta.url))
  const sharp = await loadSharp().catch((cause: Error) => {
    throw new EfficientDetError(
      'ERR_IMAGE',
      'Engines are tested with a photograph, for which the package sharp is needed, and it cannot be loaded here. Install it (npm install sharp), or leave the test out: engine.selfTest: false, --no-self-test.',
      { cause },
    )
  })
  const images = [sharp(path), sharp(path).flop(), sharp(path).flip()]
  return Promise.all(
    images.map(async (image) => (await decode(image, 'The test image', { maxPixels: 1e6 })).frame),
  )
}
