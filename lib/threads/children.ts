import type { ChildProcess } from 'node:child_process'
import { loadAddonFile } from '../base/addon-file.js'

/** What the addon does for the children of a thread. */
interface ChildKeeper {
  addChild(pid: number): void
  removeChild(pid: number): void
}

/**
 * Has a child process end with this thread and be collected, which takes the addon: Node alone leaves a zombie once
 * the thread has gone.
 */
export function endWithThread(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  let keeper: ChildKeeper
  try {
    keeper = loadAddonFile() as ChildKeeper
  } catch {
    return
  }
  keeper.addChild(pid)
  child.once('exit', () => keeper.removeChild(pid))
}
