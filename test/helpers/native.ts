import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const build = fileURLToPath(new URL('../../build/Release/', import.meta.url))

/** The backend of native/fake, which needs no GPU, and one that speaks another version of the contract. */
export const FAKE_BACKEND = `${build}libefficientdet_fake.so`
export const NEXT_FAKE_BACKEND = `${build}libefficientdet_fake_next.so`

/** Whether the addon and the fake backend were built (`npm run build:native`). */
export const hasNative = existsSync(`${build}efficientdet_trt.node`) && existsSync(FAKE_BACKEND)

if (!hasNative) console.warn('Tests of the native addon are skipped: it is not built (npm run build:native).')
