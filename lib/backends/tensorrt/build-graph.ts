import { stat } from 'node:fs/promises'
import type { EnginePrecision } from '../../engines/settings.js'
import type { HashedGraph } from '../../tasks/graph.js'
import { runTask } from '../../tasks/run.js'
import type { OpenRequest } from '../backend.js'

/** The graph of a weights file, and what state that was in. */
export interface EngineGraph extends HashedGraph {
  readonly file: string | null
}

export type GraphRequest = Pick<
  OpenRequest,
  'path' | 'weights' | 'inputSize' | 'maxBatchSize' | 'engine' | 'signal'
>

/** What graphs of engines have in common, whatever their model. */
export function engineGraphSettings({
  precision,
  maxBatchSize,
}: {
  readonly precision: EnginePrecision
  readonly maxBatchSize: number
}) {
  return {
    batch: maxBatchSize > 1 ? 'dynamic' : 1,
    // TF32 is a way to multiply float32.
    precision: precision === 'tf32' ? 'fp32' : precision,
    // Preprocessing writes what the first layer takes; it has no bfloat16.
    input: precision === 'fp16' ? 'fp16' : 'fp32',
    heads: 'levels',
  } as const
}

/** Reads weights and writes the graph that engines are built from, whatever GPU they are for. */
export async function engineGraph({
  path,
  weights,
  inputSize,
  maxBatchSize,
  engine: { precision },
  signal,
}: GraphRequest): Promise<EngineGraph> {
  const settings = { inputSize, ...engineGraphSettings({ precision, maxBatchSize }) }
  const file = await stateOf(path)
  return { ...(await runTask('graph', [path, weights, settings], signal)), file }
}

/** Tells a file from whatever takes its place or is written into it, of equal size and time too; null for none. */
export function stateOf(path: string): Promise<string | null> {
  return stat(path).then(
    ({ dev, ino, size, mtimeMs, ctimeMs }) => [dev, ino, size, mtimeMs, ctimeMs].join(),
    () => null,
  )
}
