import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createFileAtomically, writeFileAtomically } from '../base/atomic-write.js'
import { EfficientDetError } from '../base/errors.js'
import { makeFolder } from '../base/folder.js'
import { FileProblem, readSmallFile } from '../base/open-file.js'
import { abandonedFiles, partialName } from '../base/partial-file.js'
import type { Storage } from './storage.js'

/** Milliseconds between the signs of life of a claim, and after which one of another machine is a dead one's. */
const BEAT = 10_000
const DEAD_AFTER = 60_000

/** A folder, which several machines may share. */
export class FolderStorage implements Storage {
  readonly title: string

  private constructor(path: string) {
    this.title = path
  }

  /** @throws EfficientDetError ERR_OUTPUT */
  static async open(path: string): Promise<FolderStorage> {
    await makeFolder(path).catch(cannotWrite(path))
    return new FolderStorage(path)
  }

  async has(name: string): Promise<boolean> {
    const stats = await stat(this.#path(name)).catch(() => null)
    return stats?.isFile() === true
  }

  async read(name: string, maxBytes: number): Promise<Uint8Array | null> {
    try {
      return await readSmallFile(this.#path(name), maxBytes)
    } catch (cause) {
      if (!(cause instanceof FileProblem)) throw cause
      if (cause.obstacle === 'missing') return null
      throw new EfficientDetError('ERR_RUN', `${this.#path(name)} ${cause.message}.`, { cause })
    }
  }

  async *list(folder: string): AsyncIterable<string> {
    const names = await readdir(this.#path(folder)).catch(() => [])
    for (const name of names.sort()) yield folder + name
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await writeFileAtomically(await this.#place(name), [bytes], undefined, 'replace')
  }

  async create(name: string, bytes: Uint8Array): Promise<boolean> {
    return createFileAtomically(await this.#place(name), bytes)
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true }).catch(cannotWrite(this.#path(name)))
  }

  /**
   * A file that tells who is in, beside those of others. Whoever finds another that lives goes: of two that come
   * together both may go, but never both stay.
   */
  async claim(name: string): Promise<AsyncDisposable> {
    const path = partialName(this.#path(name))
    await createFileAtomically(path, new Uint8Array())
    const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), BEAT).unref()
    const leave = async () => {
      clearInterval(beat)
      await rm(path, { force: true }).catch(() => {})
    }
    try {
      const other = await this.#othersClaim(name, path)
      if (other === null) return { [Symbol.asyncDispose]: leave }
      throw new EfficientDetError(
        'ERR_RUN',
        `Another run is under way in ${this.title} (${other}). Let it end; if it was killed on another machine, wait a minute.`,
      )
    } catch (error) {
      await leave()
      throw error
    }
  }

  async #othersClaim(name: string, own: string): Promise<string | null> {
    const dead = new Set(await abandonedFiles(this.title, name))
    for (const found of await readdir(this.title).catch(cannotWrite(this.title))) {
      const path = join(this.title, found)
      if (!found.startsWith(`${name}.partial-`) || path === own) continue
      const stats = await stat(path).catch(() => null)
      if (stats === null) continue
      // Dead ones of this machine are known at once.
      if (dead.has(path) || Date.now() - stats.mtimeMs > DEAD_AFTER)
        await rm(path, { force: true }).catch(() => {})
      else return found
    }
    return null
  }

  #path(name: string): string {
    return join(this.title, name)
  }

  async #place(name: string): Promise<string> {
    const path = this.#path(name)
    await makeFolder(dirname(path)).catch(cannotWrite(path))
    return path
  }
}

function cannotWrite(path: string): (cause: Error) => never {
  return (cause) => {
    throw new EfficientDetError('ERR_OUTPUT', `${path} cannot be written (${cause.message}).`, { cause })
  }
}
