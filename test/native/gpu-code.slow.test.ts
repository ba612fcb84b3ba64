import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../helpers/cli.js'
import { gpuCodeIn } from '../helpers/gpu-code.js'

describe.each([
  ['x64', 'build/Release', ['sm_75', 'sm_80', 'sm_86', 'sm_89', 'sm_90', 'sm_100', 'compute_120', 'sm_120']],
  // Orin, GH200, GB200 and Thor.
  ['arm64', 'prebuilds/linux-arm64', ['sm_87', 'sm_90', 'sm_100', 'compute_110', 'sm_110']],
])('the backends for %s', (_, folder, code) => {
  for (const name of ['trt10', 'trt11', 'rtx']) {
    const library = join(ROOT, folder, `libefficientdet_${name}.so`)
    const isBuilt = existsSync(library)
    if (!isBuilt) console.warn(`The GPU code of ${library} is not looked at: it is not built.`)
    it.skipIf(!isBuilt)(
      `have kernels for every GPU of that platform in ${name}, and for later ones`,
      async () => {
        expect(gpuCodeIn(await readFile(library))).toEqual(code)
      },
    )
  }
})
