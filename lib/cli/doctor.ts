import { access, constants } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import type { Command } from 'commander'
import { familySync, versionSync } from 'detect-libc'
import { h264Of } from '../analyse/encoder.js'
import { probeBackends } from '../api/backends.js'
import { loadAddon } from '../backends/tensorrt/addon.js'
import { addonPath } from '../base/addon-file.js'
import { availableProcessors } from '../base/available-processors.js'
import { cacheFolder } from '../base/cache-folder.js'
import { groupLimits } from '../base/control-groups.js'
import { makeFolder } from '../base/folder.js'
import { listing } from '../base/listing.js'
import { VERSION } from '../base/version.js'
import { PROBE_OPTIONS } from '../options/probe.js'
import { codecsOf, findFfmpeg, nvdecObstacle } from '../video/ffmpeg.js'
import { flagOf } from './flags.js'
import { print, printJson } from './output.js'
import { formatTable } from './table.js'

interface DoctorFlags {
  readonly libraryPath?: string
  readonly backendLibrary?: string
  readonly json: boolean
}

interface Finding {
  readonly name: string
  readonly good: boolean
  readonly text: string
  /** What else is to be told. */
  readonly details?: readonly string[]
  /** The command or step that mends it. */
  readonly remedy?: string
}

/** The oldest Node that has all this package uses. */
const OLDEST_NODE = [20, 17] as const

export function addDoctorCommand(program: Command, signal: AbortSignal): void {
  program
    .command('doctor')
    .description('tell what of this machine can be used, and how to mend the rest')
    .addOption(flagOf(PROBE_OPTIONS, 'libraryPath'))
    .addOption(flagOf(PROBE_OPTIONS, 'backendLibrary'))
    .option('--json', 'as JSON', false)
    .action(async ({ libraryPath, backendLibrary, json }: DoctorFlags) => {
      // A driver that hangs is what people run this for; then Ctrl-C is heard all the same.
      const search = {
        ...(libraryPath !== undefined && { libraryPath }),
        ...(backendLibrary !== undefined && { backendLibrary }),
      }
      const backends = await probeBackends({ ...search, signal })
      const findings: Finding[] = [
        { name: 'efficientdet-trt', good: true, text: VERSION },
        node(),
        {
          name: 'system',
          good: true,
          text: [process.platform, process.arch, familySync(), versionSync()].filter(Boolean).join(' '),
        },
        processors(),
        await decoder(),
        await ffmpeg(),
        await cache(),
        addon(),
        ...backends.map((probe) => {
          const name = `backend ${probe.name}`
          const { details } = probe
          return probe.usable
            ? { name, good: true, text: probe.description, details }
            : { name, good: false, text: probe.reason, details, remedy: probe.remedy }
        }),
      ]
      const usable = backends.some((probe) => probe.usable)
      if (json) printJson({ usable, findings }, 2)
      else printFindings(findings, usable)
      if (!usable) process.exitCode = 1
    })
}

function printFindings(findings: readonly Finding[], usable: boolean): void {
  const rows = findings.flatMap(({ name, good, text, details = [], remedy }) => [
    [`${good ? '✓' : '✗'} ${name}`, text],
    ...details.map((detail) => ['', detail]),
    ...(remedy === undefined ? [] : [['', `→ ${remedy}`]]),
  ])
  print(
    ...formatTable(rows),
    usable ? 'Detection runs here.' : 'No backend runs here: info, convert and export work, detect does not.',
  )
}

function node(): Finding {
  const { node: version } = process.versions
  const [major, minor] = version.split('.').map(Number)
  const [oldMajor, oldMinor] = OLDEST_NODE
  const good = major > oldMajor || (major === oldMajor && minor >= oldMinor)
  return {
    name: 'Node',
    good,
    text: version,
    ...(!good && { remedy: `install Node ${OLDEST_NODE.join('.')} or newer` }),
  }
}

/** How many the CPU backend computes on, and what makes them fewer than there are. */
function processors(): Finding {
  const here = cpus().length
  const allowed = availableParallelism()
  const { processors: quota } = groupLimits()
  const text = [
    `${availableProcessors()} of ${here}`,
    ...(allowed < here ? [`this process may use ${allowed}`] : []),
    ...(quota < allowed ? [`the container's quota is ${Number(quota.toFixed(2))}`] : []),
  ].join(', ')
  return { name: 'processors', good: true, text }
}

/** What TensorRT libraries plug into; the CPU backend does without. */
function addon(): Finding {
  try {
    loadAddon()
    return { name: 'native addon', good: true, text: addonPath() }
  } catch (error) {
    const text = `cannot be loaded (${(error as Error).message.trim().split('\n', 1)[0]})`
    const remedy = 'only GPUs need it; in a clone of the repository: npm run build:native'
    return { name: 'native addon', good: false, text, remedy }
  }
}

async function decoder(): Promise<Finding> {
  try {
    const { default: sharp } = await import('sharp')
    return {
      name: 'decoder',
      good: true,
      text: `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`,
    }
  } catch (error) {
    const text = `sharp cannot be loaded (${(error as Error).message.trim().split('\n', 1)[0]})`
    return {
      name: 'decoder',
      good: false,
      text,
      remedy: `npm install --os=${process.platform} --cpu=${process.arch} sharp`,
    }
  }
}

/** What decodes videos, and on what. */
async function ffmpeg(): Promise<Finding> {
  try {
    const found = await findFfmpeg(null)
    const [decoders, obstacle, h264] = await Promise.all([
      codecsOf(found, 'decoders'),
      nvdecObstacle(found),
      h264Of(found).then(
        ([name]) => `encodes H.264 by ${name}`,
        (error: Error) => error.message,
      ),
    ])
    const hardware = [...decoders].filter((name) => /_(?:cuvid|v4l2m2m|qsv|nvmpi|rkmpp)$/.test(name))
    return {
      name: 'ffmpeg',
      good: true,
      text: `${found.version} (${found.path})`,
      details: [
        obstacle === null ? 'decodes with NVDEC' : `no NVDEC: ${obstacle}`,
        `built with ${hardware.length === 0 ? 'no hardware decoders' : listing(hardware, 6)}`,
        h264,
      ],
    }
  } catch (error) {
    return {
      name: 'ffmpeg',
      good: false,
      text: (error as Error).message,
      remedy: 'only videos need it: apt install ffmpeg',
    }
  }
}

async function cache(): Promise<Finding> {
  const bad = (text: string): Finding => ({
    name: 'model cache',
    good: false,
    text,
    remedy: 'set EFFICIENTDET_CACHE to a folder that can be written',
  })
  let folder: string
  try {
    folder = cacheFolder()
  } catch {
    return bad('this user has no home folder')
  }
  try {
    await makeFolder(folder)
    await access(folder, constants.W_OK)
    return { name: 'model cache', good: true, text: folder }
  } catch (error) {
    return bad(`${folder} cannot be written (${(error as NodeJS.ErrnoException).code})`)
  }
}
