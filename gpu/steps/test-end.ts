// Stands in for Vitest in helpers of tests that the kit's steps use: a step is one test, which ends with its process.
const done: (() => unknown)[] = []

process.on('beforeExit', async () => {
  for (const clean of done.splice(0)) await clean()
})

export function onTestFinished(clean: () => unknown): void {
  done.push(clean)
}
