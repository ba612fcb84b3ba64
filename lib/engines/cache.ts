import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFileAtomically } from '../base/atomic-write.js'
import { cacheFolder } from '../base/cache-folder.js'
import { EfficientDetError } from '../base/errors.js'
import { makeFolder } from '../base/folder.js'
import { MAX_TIMING_CACHE } from '../base/limits.js'
import type { DetectionArrays } from '../postprocess/detections.js'
import { type BuildLock, lockBuilds } from './build-lock.js'
import { checkedBytes, withChecksum } from './checksum.js'
import { compiledKernelsPath } from './compiled-kernels.js'
import { engineError, engineFault } from './engine-error.js'
import { type EngineFile, readEngine, writeEngine } from './engine-file.js'
import type { EngineHeader, EngineRecipe } from './header.js'
import { differences, engineKey } from './key.js'
import { type BuildProgress, monotonic } from './progress.js'
import type { MismatchPolicy } from './settings.js'

export interface CacheRequest {
  /** Recipe of the engine that is wanted. */
  readonly recipe: EngineRecipe
  readonly onMismatch: MismatchPolicy
  readonly signal: AbortSignal | undefined
  readonly onProgress: BuildProgress
  /** Builds the engine. Others measured what the timing cache says; it gives what they may use then. */
  readonly build: (timingCache: Uint8Array | null, onProgress: BuildProgress) => Promise<Built>
}

/** What a build comes to. */
export interface Built {
  readonly plan: Uint8Array
  readonly referenceDetections: readonly DetectionArrays[] | null
  readonly timingCache: Uint8Array
}

export interface CachedEngine extends EngineFile {
  /** SHA-256 of the plan, hexadecimal; null where the engine is not kept. */
  readonly planSha256: string | null
  /** Whether it was there already. */
  readonly cached: boolean
  /** Where it lies, or would; null where there is no cache folder. */
  readonly path: string | null
  /** Why it could not be kept there, or null. */
  readonly notKept: EfficientDetError | null
}

/**
 * An engine from the cache folder, or built now and kept there. One that is being built is waited for, with its
 * progress; if that fails, the next builds.
 *
 * @throws EfficientDetError ERR_ENGINE for a mismatch where those are refused; what `build` throws; the signal's
 *   reason
 */
export async function cachedEngine(request: CacheRequest): Promise<CachedEngine> {
  const { recipe, signal } = request
  let folder: string
  try {
    folder = enginesFolder()
  } catch (error) {
    return buildUnkept(request, error)
  }
  const key = engineKey(recipe)
  const path = join(folder, `${key}.engine`)
  const found = await find(path, request)
  if (found !== null) return found
  const onProgress = monotonic(request.onProgress)
  const lock = await lockBuilds(folder, signal, (progress) => {
    if (progress.key === key) onProgress(progress)
    else
      onProgress({
        fraction: 0,
        phase: `waiting for another build, ${Math.floor(100 * progress.fraction)} % done`,
      })
  })
  try {
    // Whoever had the lock before may have built it.
    return (
      (await find(path, request)) ?? (await buildAndKeep(request, lock, { key, folder, path }, onProgress))
    )
  } finally {
    await lock.release()
  }
}

/** The folder of engines, in that of models. @throws EfficientDetError ERR_OUTPUT for a user without a home folder */
export function enginesFolder(): string {
  return join(cacheFolder(), 'engines')
}

/** Builds for a user without a home folder, as containers have them: `reason` says so. */
async function buildUnkept(request: CacheRequest, reason: unknown): Promise<CachedEngine> {
  if (!(reason instanceof EfficientDetError)) throw reason
  const lock = await lockBuilds('', request.signal, () => {})
  try {
    const { plan, referenceDetections } = await request.build(null, request.onProgress)
    const header = { ...request.recipe, referenceDetections }
    return { header, plan, planSha256: null, cached: false, path: null, notKept: reason }
  } finally {
    await lock.release()
  }
}

async function find(
  path: string,
  { recipe, onMismatch, signal }: CacheRequest,
): Promise<CachedEngine | null> {
  const check = (found: EngineHeader) => {
    const [difference] = differences(found, recipe)
    if (difference === undefined) return
    throw engineError(path, 'stale', `has ${difference}. Remove it, or let it be rebuilt.`)
  }
  try {
    const { header: found, plan, planSha256 } = await readEngine(path, check, signal, { ours: true })
    // Labels and notes are what they are now.
    const header = { ...recipe, referenceDetections: found.referenceDetections }
    return { header, plan, planSha256, cached: true, path, notKept: null }
  } catch (error) {
    const isAbsent = error instanceof EfficientDetError && error.code === 'ERR_MODEL_NOT_FOUND'
    if (isAbsent || (engineFault(error) !== null && onMismatch === 'rebuild')) return null
    throw error
  }
}

async function buildAndKeep(
  { recipe, build, signal }: CacheRequest,
  lock: BuildLock,
  { key, folder, path }: { readonly key: string; readonly folder: string; readonly path: string },
  onProgress: BuildProgress,
): Promise<CachedEngine> {
  const timingPath = join(folder, timingCacheName(recipe))
  const { plan, referenceDetections, timingCache } = await build(
    // One that is damaged would only cost time.
    await checkedBytes(timingPath, MAX_TIMING_CACHE),
    (progress) => {
      onProgress(progress)
      lock.emit({ key, ...progress })
    },
  )
  const header = { ...recipe, referenceDetections }
  try {
    await makeFolder(folder).catch((cause: Error) => {
      throw new EfficientDetError('ERR_OUTPUT', `${folder} cannot be made (${cause.message}).`, { cause })
    })
    const planSha256 = await writeEngine(path, { header, plan }, signal, 'replace')
    await keepTimings(timingPath, timingCache, signal)
    return { header, plan, planSha256, cached: false, path, notKept: null }
  } catch (error) {
    // Whatever fails here, the engine is built.
    if (signal?.aborted) throw signal.reason
    return { header, plan, planSha256: null, cached: false, path, notKept: outputError(path, error) }
  }
}

/** Keeps what was measured, where that is possible: without it the next build takes longer, and no more. */
async function keepTimings(path: string, cache: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  if (cache.length === 0) return
  await writeFileAtomically(path, await withChecksum(cache), signal, 'replace').catch(() =>
    signal?.throwIfAborted(),
  )
}

function outputError(path: string, cause: unknown): EfficientDetError {
  if (cause instanceof EfficientDetError) return cause
  return new EfficientDetError('ERR_OUTPUT', `${path} cannot be written (${String(cause)}).`, { cause })
}

/**
 * Takes a wrong engine out of the cache, with its compiled kernels, and its measurements, which would likely choose the
 * same again. What stays is found wrong again.
 *
 * @param gpu on which it is wrong
 */
export async function discardEngine({ path, header }: CachedEngine, gpu: string): Promise<void> {
  if (path === null) return
  const files = [path, join(dirname(path), timingCacheName(header)), compiledKernelsPath(path, gpu)]
  await Promise.allSettled(files.map((file) => rm(file, { force: true })))
}

/** Timings hold for one library on one GPU. */
function timingCacheName({ target }: EngineRecipe): string {
  const { family, libraryVersion, cudaVersion, gpu, computeCapabilities } = target
  const facts = [family, libraryVersion, cudaVersion, gpu ?? '', ...computeCapabilities].join('-')
  return `${facts.replace(/[^\w.-]+/g, '_')}.timing`
}
