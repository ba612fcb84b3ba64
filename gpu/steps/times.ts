// Times preprocessing and decode + NMS, and a copy that gives their floor (native/test/cuda_times.cc).
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { DEVICE_FOLDER, IS_DRY } from './step.js'

const { status } = spawnSync(join(DEVICE_FOLDER, 'cuda_times'), IS_DRY ? ['--small'] : [], {
  stdio: ['ignore', 'inherit', 'inherit'],
})
process.exitCode = status ?? 1
