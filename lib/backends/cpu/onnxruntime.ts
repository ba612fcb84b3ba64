import { createRequire } from 'node:module'
import type { Unavailability } from '../backend.js'

export type OnnxRuntime = typeof import('onnxruntime-node')

/** What mends an installation of another version or platform. */
export const REINSTALL = 'npm install --ignore-scripts onnxruntime-node@latest'

/** What the package says of itself; its entry does not. */
export function onnxruntimeVersion(): string {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
  return version
}

/**
 * Loads onnxruntime, which is an optional peer of this package: 290 MB that a machine with TensorRT need not have.
 */
export async function loadOnnxruntime(): Promise<
  { readonly runtime: OnnxRuntime } | { readonly unavailable: Unavailability }
> {
  try {
    return { runtime: await import('onnxruntime-node') }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes('onnxruntime-node')) {
      return unavailable(
        'the package onnxruntime-node is not installed',
        'npm install --ignore-scripts onnxruntime-node',
      )
    }
    const line = message.split('\n', 1)[0]
    // Loaded only here: its CommonJS form would keep a bundle from starting.
    const { isNonGlibcLinux } = await import('detect-libc')
    return (await isNonGlibcLinux())
      ? unavailable(
          `this is musl, for which onnxruntime-node has no build (${line})`,
          'use an image with glibc, such as node:22-slim',
        )
      : unavailable(`onnxruntime-node cannot be loaded (${line})`, REINSTALL)
  }
}

function unavailable(reason: string, remedy: string): { readonly unavailable: Unavailability } {
  return { unavailable: { reason, remedy, faults: [] } }
}

/**
 * Keeps onnxruntime, from 1.30 on, from reporting to its maker: a program that looks at pictures should tell nobody.
 * Setting the variable to 0 allows it.
 *
 * Called before onnxruntime is loaded, and by starters of threads, which have but a copy of the environment.
 */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1'
}
