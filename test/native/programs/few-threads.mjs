// Loads an engine of three contexts and builds one where the system starts only so many more threads.
import { build, frame, load } from './fake.mjs'

const told = ({ message }) => console.log(message.split(';')[0])

// Starts libuv's threads.
await (await load()).close()
process.env.THREADS_LEFT = process.argv[2]
try {
  const engine = await load(3)
  const answers = await Promise.all([1, 2, 3].map(() => frame(engine)))
  console.log(`${answers.length} answers`)
  await engine.close()
} catch (error) {
  told(error)
}
await build(() => {}).catch(told)
