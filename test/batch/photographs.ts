import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { temporaryFolder } from '../helpers/checkpoints.js'
import { PERSON } from '../helpers/cli.js'

/** A folder of small JPEG files, each another part of a photograph: `0000.jpg`, `0001.jpg` … */
export async function photographs(count: number, parent?: string): Promise<string> {
  const folder = join(parent ?? (await temporaryFolder()), 'photographs')
  await mkdir(folder)
  const whole = await sharp(PERSON).resize(256).toBuffer()
  for (let i = 0; i < count; i++) {
    const part = sharp(whole).extract({ left: (7 * i) % 96, top: (3 * i) % 32, width: 128, height: 128 })
    await writeFile(join(folder, `${String(i).padStart(4, '0')}.jpg`), await part.jpeg().toBuffer())
  }
  return folder
}
