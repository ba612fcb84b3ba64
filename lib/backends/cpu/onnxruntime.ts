import { createRequire } from 'node:module'
import { isNonGlibcLinuxSync } from 'detect-libc'
import { unavailable } from '../unavailable.js'

export type OnnxRuntime = typeof import('onnxruntime-node')

/** What the package says of itself; its entry does not. */
export function onnxruntimeVersion(): string {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
  return version
}

/**
 * Loads onnxruntime, which is an optional peer of this package: 290 MB that a machine with TensorRT need not have.
 *
 * @throws EfficientDetError ERR_BACKEND_UNAVAILABLE
 */
export async function loadOnnxruntime(): Promise<OnnxRuntime> {
  try {
    return await import('onnxruntime-node')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes('onnxruntime-node')) {
      throw unavailable(
        'cpu',
        'the package onnxruntime-node is not installed',
        'npm install --ignore-scripts onnxruntime-node',
      )
    }
    const line = message.split('\n', 1)[0]
    throw isNonGlibcLinuxSync()
      ? unavailable(
          'cpu',
          `this is musl, for which onnxruntime-node has no build (${line})`,
          'use an image with glibc, such as node:22-slim',
        )
      : unavailable(
          'cpu',
          `onnxruntime-node cannot be loaded (${line})`,
          'npm install --ignore-scripts onnxruntime-node@latest',
        )
  }
}
