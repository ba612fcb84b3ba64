/** Milliseconds of processor time that this process has taken, which other programs do not lengthen. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
