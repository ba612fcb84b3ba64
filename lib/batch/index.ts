export type { BatchFormat, ScoreOptions, ScoreProgress, ShardChoice } from '../options/batch.js'
export { type ScoreSummary, score } from './score.js'
export { type ScoreStatus, scoreStatus } from './status.js'
