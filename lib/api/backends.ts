import { type NamedProbe, probeAll } from '../backends/registry.js'
import { checkProbeOptions, type ProbeOptions } from '../options/probe.js'
import { untilAborted } from '../threads/abort.js'

/**
 * What of this machine can run networks, fastest first: what `load` would choose from, and `efficientdet doctor` tells
 * people.
 *
 * Loads no model. A driver that hangs is waited for until the signal aborts.
 *
 * @throws EfficientDetError ERR_INVALID_OPTION; the signal's reason
 */
export async function probeBackends(options: ProbeOptions = {}): Promise<NamedProbe[]> {
  const { signal, ...search } = checkProbeOptions(options)
  signal?.throwIfAborted()
  return await untilAborted(probeAll(search), signal)
}
