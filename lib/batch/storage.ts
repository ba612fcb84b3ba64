/** Where the results of a run are kept: a folder, or a prefix in a bucket. Names have `/` between their parts. */
export interface Storage {
  /** A path or URL, for people. */
  readonly title: string
  has(name: string): Promise<boolean>
  /** The whole of a small file; null where there is none. */
  read(name: string, maxBytes: number): Promise<Uint8Array | null>
  /** Names below a folder, which ends in `/`, in order. */
  list(folder: string): AsyncIterable<string>
  /** Writes a file whole or not at all, and to the disk; what has its name is replaced. */
  write(name: string, bytes: Uint8Array): Promise<void>
  /** Likewise, but only where nothing has its name; false if something has. */
  create(name: string, bytes: Uint8Array): Promise<boolean>
  remove(name: string): Promise<void>
  /** Keeps others out until it is disposed. @throws EfficientDetError ERR_RUN where somebody is in */
  claim(name: string): Promise<AsyncDisposable>
}
