import { EfficientDetError } from '../../base/errors.js'
import { engineError } from '../../engines/engine-error.js'
import { isEngineFile, isEnginePath, readEngineHeader } from '../../engines/engine-file.js'
import type { Backend, LibraryFault, Opening } from '../backend.js'
import { findTensorrt, knownFamily, OTHERWISE } from './find.js'
import { openEngineFile, openWeightsFile } from './open.js'
import { probeLibraries } from './probe.js'

/** TensorRT on an NVIDIA GPU, behind the addon: the first of its libraries that can run here. */
export const tensorrt: Backend = {
  name: 'tensorrt',
  probe: probeLibraries,
  async takes() {
    return true
  },
  async open(request) {
    const { path } = request
    const model = (await isEngineFile(path)) ? 'engine' : 'weights'
    if (model === 'engine' && !isEnginePath(path)) {
      throw engineError(
        path,
        'unasked',
        'is an engine, which is code for a GPU, under the name of something else. If you trust where it came from, give it a name that ends with .engine.',
      )
    }
    const family =
      model === 'weights' ? request.engine.family : knownFamily((await readEngineHeader(path)).target.family)
    const found = await findTensorrt({ ...request, family, model })
    if ('unavailable' in found) return found
    const open = model === 'weights' ? openWeightsFile : openEngineFile
    try {
      return { engine: await open(found.native, request) }
    } catch (error) {
      return failedDevice(error, OTHERWISE[model])
    }
  },
}

/** A device or library may turn out to be of no use only when it is used. Throws other errors on. */
function failedDevice(error: unknown, remedy: string): Opening {
  if (!(error instanceof EfficientDetError) || error.code !== 'ERR_BACKEND_UNAVAILABLE') throw error
  const { message, details } = error
  const faults = details.fault === undefined ? [] : [details.fault as LibraryFault]
  return { unavailable: { reason: message.replace(/[.]$/, ''), remedy, faults } }
}
