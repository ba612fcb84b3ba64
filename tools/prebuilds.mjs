// Makes prebuilds/linux-<arch>/ for each architecture named (default: this machine's), through prebuildify and
// cmake-js. arm64 on another machine needs Debian's g++-aarch64-linux-gnu.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const STRIP = { arm64: 'aarch64-linux-gnu-strip' }

for (const arch of process.argv.length > 2 ? process.argv.slice(2) : [process.arch]) {
  const stripBin = arch === process.arch ? [] : ['--strip-bin', STRIP[arch] ?? 'strip']
  const { status } = spawnSync(
    process.execPath,
    [
      path('../node_modules/prebuildify/bin.js'),
      '--napi',
      '--tag-libc',
      '--strip',
      ...stripBin,
      '--name',
      'efficientdet-trt',
      '--arch',
      arch,
    ],
    {
      cwd: path('..'),
      stdio: 'inherit',
      env: { ...process.env, PREBUILD_NODE_GYP: path('cmake-js-as-node-gyp.mjs') },
    },
  )
  // prebuildify insists on build/, where local builds are looked for first: what it leaves there is of no use.
  rmSync(path('../build'), { recursive: true, force: true })
  if (status !== 0) process.exit(status ?? 1)
}
