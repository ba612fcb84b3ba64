/** The C library that Node runs on, such as `glibc 2.36`; null where the system has no choice of them. */
export function libc(): string | null {
  if (process.platform !== 'linux') return null
  const version = glibcVersion()
  return version === undefined ? 'musl' : `glibc ${version}`
}

export function isMusl(): boolean {
  return libc() === 'musl'
}

function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime
}
