import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT } from './step.js'

/** What a test sent to the kernels' program in one run, and what was answered, which the test found right. */
export interface KernelRecord {
  /** The test's file, such as `kernels-detections`. */
  readonly test: string
  /** The request's file in the folder of records. */
  readonly request: string
  readonly requestBytes: number
  readonly answerBytes: number
  readonly sha256: string
  /** The answer's file, where it is small enough to be carried. */
  readonly answer: string | null
}

export const RECORDS = join(PROJECT, 'records')

export function readRecords(): readonly KernelRecord[] {
  return JSON.parse(readFileSync(join(RECORDS, 'index.json'), 'utf8'))
}
