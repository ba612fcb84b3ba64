import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { temporaryFolder } from './checkpoints.js'
import { ROOT } from './cli.js'

export interface Project {
  readonly folder: string
  /** The package in it. */
  readonly package: string
  /** Its program. */
  readonly main: string
}

/**
 * A project with a copy of the built package and its dependencies, without its optional peer onnxruntime-node, for
 * the time of a test.
 *
 * @param modules where its packages lie
 */
export async function project(modules = 'node_modules'): Promise<Project> {
  const folder = await temporaryFolder()
  const installed = join(folder, modules)
  const copy = join(installed, 'efficientdet-trt')
  await mkdir(copy, { recursive: true })
  const files = ['package.json', 'dist', 'models']
  await Promise.all(files.map((file) => cp(join(ROOT, file), join(copy, file), { recursive: true })))
  const { dependencies }: { dependencies: object } = JSON.parse(
    await readFile(join(ROOT, 'package.json'), 'utf8'),
  )
  await Promise.all(Object.keys(dependencies).map((name) => link(installed, name)))
  return { folder, package: copy, main: join(copy, 'dist', 'cli', 'main.js') }
}

/** Installs a package of this repository by a link. */
export async function link(modules: string, name: string): Promise<void> {
  const path = join(modules, name)
  await mkdir(dirname(path), { recursive: true })
  await symlink(join(ROOT, 'node_modules', name), path, 'junction')
}

/** Writes files into a folder. */
export async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}
