import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { writeFileAtomically } from '../../base/atomic-write.js'
import { EfficientDetError } from '../../base/errors.js'
import { makeFolder } from '../../base/folder.js'
import { MAX_TEST_RECORD } from '../../base/limits.js'
import { readSmallFile } from '../../base/open-file.js'
import { VERSION } from '../../base/version.js'
import { isRecord } from '../../models/guards.js'
import { enginesFolder } from '../cache.js'
import { REFERENCES, type SelfTestFigures } from './run.js'

/** What a test was made of: with all of it the same, the answers are. */
export interface TestFacts {
  readonly planSha256: string
  /** Which GPU of all that there are. */
  readonly gpu: string
  readonly family: string
  readonly libraryVersion: string
  readonly cudaVersion: string
  readonly driverVersion: string
  readonly maxBatchSize: number
  readonly contexts: number
}

/** What a test showed that was passed, and is remembered in the folder of engines; null for none. */
export async function findTestRecord(facts: TestFacts): Promise<SelfTestFigures | null> {
  try {
    const json = await readSmallFile(pathOf(facts), MAX_TEST_RECORD, { ours: true })
    return figuresFrom(JSON.parse(Buffer.from(json).toString()))
  } catch {
    return null
  }
}

/** Remembers a test; where the folder cannot be written, the next load tests again. */
export async function keepTestRecord(facts: TestFacts, figures: SelfTestFigures): Promise<void> {
  try {
    const path = pathOf(facts)
    await makeFolder(dirname(path)).catch(() => {})
    const line = `${JSON.stringify({ ...facts, figures })}\n`
    await writeFileAtomically(path, [Buffer.from(line)], undefined, 'replace')
  } catch (error) {
    if (!(error instanceof EfficientDetError)) throw error
  }
}

/** @throws EfficientDetError ERR_OUTPUT for a user without a home folder */
function pathOf(facts: TestFacts): string {
  const identity = JSON.stringify([VERSION, ...Object.entries(facts).sort()])
  return join(enginesFolder(), `${createHash('sha256').update(identity).digest('hex').slice(0, 40)}.tested`)
}

function figuresFrom(value: unknown): SelfTestFigures | null {
  if (!isRecord(value) || !isRecord(value.figures)) return null
  const { against, compared, scoreDifference, overlap } = value.figures
  const reference = REFERENCES.find((name) => name === against)
  if (
    reference === undefined ||
    typeof compared !== 'number' ||
    typeof scoreDifference !== 'number' ||
    typeof overlap !== 'number'
  ) {
    return null
  }
  return { against: reference, compared, scoreDifference, overlap }
}
