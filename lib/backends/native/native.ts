import { readEngine } from '../../engines/engine-file.js'
import { checkFit, type Machine } from '../../engines/fit.js'
import type { EngineHeader } from '../../engines/header.js'
import { EfficientDetError } from '../../errors.js'
import { anchorBoxes } from '../../models/anchors.js'
import type { Engine, OpenRequest } from '../backend.js'
import { buildNative, capabilityOf, deviceOf, nativeGraph, PLATFORM } from './build.js'
import { NativeBackendEngine } from './engine.js'
import type { NativeLibrary } from './library.js'
import { makingError } from './native-error.js'
import { EnginePool } from './pool.js'

/** Makes the engine of a weights file ready to run on each GPU: whatever takes long is cancellable. */
export async function openNative(native: NativeLibrary, request: OpenRequest): Promise<Engine> {
  const { maxBatchSize: maxBatch, engine, signal } = request
  const graph = await nativeGraph({ ...request, maxBatch })
  request.onStage('engine', 0)
  return onEachDevice(request, async (device, onFraction) => {
    const { header, plan, notes } = await buildNative(native, graph, {
      maxBatch,
      engine: { ...engine, device },
      targets: [],
      signal,
      onProgress: ({ fraction }) => onFraction(fraction),
    })
    return load(native, plan, { ...header, notes: [...header.notes, ...notes] }, device, request)
  })
}

/** Makes an engine file ready to run, after it was checked whole and found to fit this machine's GPUs. */
export async function openEngineFile(native: NativeLibrary, request: OpenRequest): Promise<Engine> {
  const { path, weights, size, devices, signal } = request
  const given = [...Object.keys(weights), ...(size === null ? [] : ['size'])]
  if (given.length > 0) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `${path} is an engine file, in which ${given.join(', ')} cannot be changed. Leave ${given.length > 1 ? 'these options' : 'the option'} out, or load the weights.`,
    )
  }
  request.onStage('engine', 0)
  const { header, plan } = await readEngine(
    path,
    (found) => {
      for (const device of devices) checkFit(path, found, machineOf(native, device))
    },
    signal,
  )
  return onEachDevice(request, (device) => load(native, plan, header, device, request))
}

/** One engine for each GPU, made one after another, as one; none is left if one fails. */
async function onEachDevice(
  { devices, onStage }: OpenRequest,
  open: (device: number, onFraction: (fraction: number) => void) => Promise<NativeBackendEngine>,
): Promise<Engine> {
  const engines: NativeBackendEngine[] = []
  try {
    for (const [i, device] of devices.entries()) {
      engines.push(await open(device, (fraction) => onStage('engine', (i + fraction) / devices.length)))
    }
  } catch (error) {
    await Promise.all(engines.map((engine) => engine.close()))
    throw error
  }
  return engines.length === 1 ? engines[0] : new EnginePool(engines)
}

/** What an engine would run on here. @throws EfficientDetError ERR_INVALID_OPTION for a GPU that is not there */
export function machineOf({ addon, library, probe }: NativeLibrary, number: number): Machine {
  const device = deviceOf(probe, number)
  return {
    backend: addon.nameOf(library),
    libraryVersion: probe.libraryVersion,
    platform: PLATFORM,
    device: { name: device.name, computeCapability: capabilityOf(device) },
  }
}

async function load(
  { addon, library, probe }: NativeLibrary,
  plan: Uint8Array,
  { spec, size, notes, settings }: EngineHeader,
  device: number,
  { contexts, maxBatchSize, maxBatchDelay, maxPending, inferenceDeadline, signal }: OpenRequest,
): Promise<NativeBackendEngine> {
  const { mean, std, fill, resize } = spec.preprocessing
  const model = {
    inputHeight: size.height,
    inputWidth: size.width,
    classes: spec.architecture.classes,
    anchors: anchorBoxes(size, spec.architecture.variant.maxLevel, spec.anchors),
    normalisation: Float32Array.from([...mean, ...std, ...fill]),
    resize: resize === 'antialiased' ? 0 : 1,
  } as const
  const batch = Math.min(maxBatchSize, settings.maxBatch)
  const options = {
    device,
    slots: contexts,
    maxBatchSize: batch,
    maxBatchDelay: 1000 * maxBatchDelay,
    // Calls that were aborted while they run still hold a place until their batch ends.
    maxPending: maxPending + contexts * batch,
  }
  try {
    const engine = await addon.loadEngine(library, plan, model, options)
    signal?.throwIfAborted()
    const description = `${probe.description}: ${engine.info().description}`
    return new NativeBackendEngine(engine, {
      device,
      spec,
      size,
      notes,
      description,
      deadline: inferenceDeadline,
    })
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw error instanceof EfficientDetError ? error : makingError(error, 'The engine cannot be loaded')
  }
}
