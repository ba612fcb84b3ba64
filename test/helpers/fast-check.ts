import fc from 'fast-check'

// `npm test` tries the same few examples of every property each time, `npm run test:all` many others.
fc.configureGlobal(process.env.MODE === 'all' ? { numRuns: 2000 } : { numRuns: 100, seed: 1 })

export default fc
