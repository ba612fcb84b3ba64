// Ends the process while calls are in flight: by process.exit, or by running off the end with nothing closed.
import { fire, load } from './fake.mjs'

const how = process.argv[2]
fire(await load(), 50)
if (how === 'exit') setTimeout(() => process.exit(0), 7)
