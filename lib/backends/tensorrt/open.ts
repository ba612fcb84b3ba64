import { hostname } from 'node:os'
import { EfficientDetError } from '../../base/errors.js'
import { discardEngine } from '../../engines/cache.js'
import { checkCompatibility, checkHostCode } from '../../engines/compatibility.js'
import {
  compiledKernelsPath,
  keepCompiledKernels,
  readCompiledKernels,
} from '../../engines/compiled-kernels.js'
import { engineFault } from '../../engines/engine-error.js'
import { type EngineFile, readEngine } from '../../engines/engine-file.js'
import { profileBatchSizesUpTo } from '../../engines/profile-batch-sizes.js'
import { findTestRecord, keepTestRecord } from '../../engines/self-test/record.js'
import { anchorBoxes } from '../../models/anchors.js'
import { onAbort, untilAborted } from '../../threads/abort.js'
import type { Engine, GpuReport, OpenRequest, SelfTestReport } from '../backend.js'
import type { NativeEngine, NativeModel, NativeOptions } from './addon.js'
import { buildOrFind } from './build.js'
import { engineGraph } from './build-graph.js'
import { NativeBackendEngine } from './engine.js'
import type { NativeLibrary } from './library.js'
import { checkEngineMemory } from './memory-check.js'
import { makingError } from './native-error.js'
import { EnginePool } from './pool.js'
import { NoResponse, selfTest } from './self-test.js'
import { deviceOf, machineOf } from './target.js'

/** Batches that a GPU works on at the same time, unless told: with two, copies and computation overlap. */
const CONTEXTS = 2
/** The same of one that shares the host's memory: there is nothing to copy, and memory is short. */
const SHARED_MEMORY_CONTEXTS = 1

/** Makes the engine of a weights file ready to run on each GPU: whatever takes long is cancellable. */
export async function openWeightsFile(native: NativeLibrary, request: OpenRequest): Promise<Engine> {
  checkHostCode('The engine of these weights', { settings: request.engine }, request.engine)
  request.onStage('weights', 0)
  const graph = await engineGraph(request)
  request.onStage('graph', 1)
  request.onStage('engine', 0)
  return onEachDevice(request, async (device, onStage) => {
    const built = await buildOrFind(native, graph, {
      ...request,
      device,
      targets: [],
      onProgress: ({ fraction }) => onStage('engine', fraction),
    })
    const header = { ...built.header, notes: [...built.header.notes, ...built.notes] }
    try {
      return await load(native, { ...built, header }, { ...request, device, onStage })
    } catch (error) {
      if (engineFault(error) === 'wrong') await discardEngine(built, deviceOf(native.probe, device).name)
      throw error
    }
  })
}

/** Makes an engine file ready to run, after it was checked whole and found to match this machine's GPUs. */
export async function openEngineFile(native: NativeLibrary, request: OpenRequest): Promise<Engine> {
  const { path, weights, inputSize, devices, engine, signal } = request
  const given = [...Object.keys(weights), ...(inputSize === null ? [] : ['inputSize'])]
  if (given.length > 0) {
    throw new EfficientDetError(
      'ERR_INVALID_OPTION',
      `${path} is an engine file, in which ${given.join(', ')} cannot be changed. Leave ${given.length > 1 ? 'these options' : 'the option'} out, or load the weights.`,
    )
  }
  request.onStage('engine', 0)
  const file = await readEngine(
    path,
    (found) => {
      checkHostCode(path, found, engine)
      for (const device of devices) checkCompatibility(path, found, machineOf(native, device))
    },
    signal,
  )
  return onEachDevice(request, (device, onStage) =>
    load(native, { ...file, path }, { ...request, device, onStage }),
  )
}

/** One engine for each GPU, made one after another, as one; none is left if one fails. */
async function onEachDevice(
  { devices, onStage }: OpenRequest,
  open: (device: number, onStage: OpenRequest['onStage']) => Promise<NativeBackendEngine>,
): Promise<Engine> {
  const engines: NativeBackendEngine[] = []
  try {
    for (const [i, device] of devices.entries()) {
      engines.push(await open(device, (stage, fraction) => onStage(stage, (i + fraction) / devices.length)))
    }
  } catch (error) {
    await Promise.all(engines.map((engine) => engine.close()))
    throw error
  }
  return engines.length === 1 ? engines[0] : new EnginePool(engines)
}

/** An engine that was read or built. */
interface Loadable extends EngineFile {
  /** Where it lies; null where it is not kept. */
  readonly path: string | null
  /** Null where nothing can be remembered of it. */
  readonly planSha256: string | null
}

async function load(
  native: NativeLibrary,
  file: Loadable,
  request: OpenRequest & { readonly device: number },
): Promise<NativeBackendEngine> {
  const { addon, library, probe } = native
  const { spec, inputSize, notes, settings } = file.header
  const { device, maxBatchSize, maxBatchDelay, maxPending, inferenceDeadline, signal } = request
  const target = deviceOf(probe, device)
  const wanted = request.contexts ?? (target.integrated ? SHARED_MEMORY_CONTEXTS : CONTEXTS)
  const contexts = request.engine.checkMemory
    ? await checkEngineMemory(native, file.header, { device, planBytes: file.plan.length, contexts: wanted })
    : wanted
  const { mean, std, fill, resize } = spec.preprocessing
  const model = {
    inputHeight: inputSize.height,
    inputWidth: inputSize.width,
    classes: spec.architecture.classes,
    anchors: anchorBoxes(inputSize, spec.architecture.variant.maxLevel, spec.anchors),
    normalisation: Float32Array.from([...mean, ...std, ...fill]),
    resize: resize === 'antialiased' ? 0 : 1,
  } as const
  const batch = Math.min(maxBatchSize, settings.maxBatchSize)
  const options = {
    device,
    contexts,
    maxBatchSize: batch,
    maxBatchDelay: 1000 * maxBatchDelay,
    // Calls that were aborted while they run still hold a place until their batch ends.
    maxPending: maxPending + contexts * batch,
    allowHostCode: settings.versionCompatible && request.engine.allowHostCode,
  }
  const engine = await loadEngine(native, file, model, { ...options, gpu: target.name }, signal)
  try {
    const info = engine.info()!
    const { name, uuid, computeCapability } = target
    const gpu = {
      device,
      name,
      uuid,
      computeCapability,
      family: addon.nameOf(library),
      libraryVersion: probe.libraryVersion,
      precision: settings.precision,
      maxBatchSize: Math.min(batch, info.maxBatchSize),
      profileBatchSizes: profileBatchSizesUpTo(settings.maxBatchSize),
      contexts: Math.min(contexts, info.contexts),
    }
    const selfTest = request.engine.selfTest ? await tested(engine, native, file, gpu, request) : null
    return new NativeBackendEngine(engine, {
      addon,
      gpu: { ...gpu, selfTest },
      spec,
      inputSize,
      notes,
      description: `${probe.description}: ${info.description}`,
      deadline: inferenceDeadline,
    })
  } catch (error) {
    // Neither a backend that hangs is waited for, nor a batch that nobody wants any more.
    if (signal?.aborted || error instanceof NoResponse) engine.abandon()
    else await engine.close()
    throw signal?.aborted ? signal.reason : error
  }
}

/** Makes an engine ready with the kernels that earlier loads compiled, and keeps those that this one did. */
async function loadEngine(
  { addon, library }: NativeLibrary,
  { path, plan }: Loadable,
  model: NativeModel,
  { gpu, ...options }: Omit<NativeOptions, 'kernels'> & { readonly gpu: string },
  signal: AbortSignal | undefined,
): Promise<NativeEngine> {
  const kernelsPath = path === null ? null : compiledKernelsPath(path, gpu)
  const kernels = kernelsPath === null ? null : await readCompiledKernels(kernelsPath)
  signal?.throwIfAborted()
  const cancel = new Int32Array(new SharedArrayBuffer(4))
  const stopListening = onAbort(signal, () => Atomics.store(cancel, 0, 1))
  const loading = addon.loadEngine(library, plan, model, { ...options, kernels }, cancel)
  try {
    const loaded = await untilAborted(loading, signal)
    if (kernelsPath !== null) await keepCompiledKernels(kernelsPath, loaded.kernels)
    return loaded.engine
  } catch (error) {
    if (!signal?.aborted) throw makingError(error, 'The engine cannot be loaded')
    // It ends soon, whether it fails or not.
    loading.then(({ engine }) => engine.close()).catch(() => {})
    throw signal.reason
  } finally {
    stopListening()
  }
}

/** Tests an engine, unless this very one was tested here before. */
async function tested(
  engine: NativeEngine,
  { probe }: NativeLibrary,
  { header, planSha256 }: Loadable,
  gpu: Omit<GpuReport, 'selfTest' | 'deviceBytes' | 'graphs'>,
  { inferenceDeadline, signal, onStage }: OpenRequest,
): Promise<SelfTestReport> {
  const { device, uuid, family, libraryVersion, maxBatchSize, contexts } = gpu
  const { cudaVersion, driverVersion } = probe
  // One of two that are alike may be broken, and a folder may serve many machines.
  const one = uuid === '' ? `${hostname()}, ${device}` : uuid
  const use = { gpu: one, family, libraryVersion, cudaVersion, driverVersion }
  const facts = planSha256 === null ? null : { planSha256, ...use, maxBatchSize, contexts }
  const known = facts === null ? null : await findTestRecord(facts)
  // One against itself is not enough where reference detections are there.
  if (known !== null && (known.against === 'cpu' || header.referenceDetections === null))
    return { ...known, remembered: true }
  const figures = await selfTest(engine, {
    spec: header.spec,
    profileBatchSizes: gpu.profileBatchSizes,
    maxBatchSize,
    contexts,
    expected: header.referenceDetections,
    deadline: inferenceDeadline,
    signal,
    onProgress: (fraction) => onStage('test', fraction),
  })
  if (facts !== null) await keepTestRecord(facts, figures)
  return { ...figures, remembered: false }
}
