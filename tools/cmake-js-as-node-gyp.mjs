#!/usr/bin/env node
// Lets prebuildify, which knows node-gyp alone, build with cmake-js: takes node-gyp's arguments and passes on what
// cmake-js understands. For another architecture than this machine's it takes that one's cross-compiler.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const arch =
  process.argv.find((argument) => argument.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch
const cross =
  arch === process.arch ? [] : [`--CDCMAKE_TOOLCHAIN_FILE=${path(`../native/cmake/linux-${arch}.cmake`)}`]

const { status } = spawnSync(
  process.execPath,
  [
    path('../node_modules/cmake-js/bin/cmake-js'),
    'rebuild',
    '--arch',
    arch,
    '--CDEFFICIENTDET_TESTS=OFF',
    ...cross,
  ],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
