export type { BatchFormat, ScoreOptions, ScoreProgress, ShardChoice, WorkOptions } from '../options/batch.js'
export { type ScoreSummary, score } from './score.js'
export { type ScoreStatus, scoreStatus } from './status.js'
export { work } from './worker.js'
