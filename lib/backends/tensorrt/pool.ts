import { EfficientDetError, isOfOneImage } from '../../base/errors.js'
import type { FrameMemory } from '../../image/allocated-frame.js'
import { type DeviceFrame, type Frame, isDeviceFrame } from '../../image/frame.js'
import type { Size } from '../../models/levels.js'
import type { ModelSpec } from '../../models/spec.js'
import type { PostprocessParameters } from '../../postprocess/detections.js'
import type { Engine, EngineCall, EngineResult, EngineStats, GpuReport } from '../backend.js'
import type { NativeBackendEngine } from './engine.js'

interface Member {
  readonly engine: NativeBackendEngine
  pending: number
}

/** The engines of one model on several GPUs as one: a call goes to that with the fewest in flight, or where its frame is. */
export class EnginePool implements Engine {
  readonly spec: ModelSpec
  readonly inputSize: Size
  readonly notes: readonly string[]
  readonly description: string
  readonly #members: readonly Member[]

  /** @param engines one or more, of the same model */
  constructor(engines: readonly NativeBackendEngine[]) {
    const [first] = engines
    this.spec = first.spec
    this.inputSize = first.inputSize
    this.notes = [...new Set(engines.flatMap(({ notes }) => notes))]
    this.description = engines.map(({ description }) => description).join('; ')
    this.#members = engines.map((engine) => ({ engine, pending: 0 }))
  }

  get gpus(): readonly GpuReport[] {
    return this.#members.flatMap(({ engine }) => engine.gpus)
  }

  async detect(
    frame: Frame | DeviceFrame,
    parameters: PostprocessParameters,
    call?: EngineCall,
  ): Promise<EngineResult> {
    const member = this.#choose(frame)
    member.pending++
    try {
      return await member.engine.detect(frame, parameters, call)
    } catch (error) {
      throw this.#isLeftOut(member, frame) ? ofThisImage(error, member.engine.device) : error
    } finally {
      member.pending--
    }
  }

  stats(): EngineStats[] {
    return this.#members.flatMap(({ engine }) => engine.stats())
  }

  /** Pinned for every GPU. */
  allocate(bytes: number): FrameMemory {
    return this.#working()[0].engine.allocate(bytes)
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ engine }) => engine.close()))
  }

  /** Whether the next call goes to another GPU. */
  #isLeftOut({ engine }: Member, frame: Frame | DeviceFrame): boolean {
    return engine.isDead && !isDeviceFrame(frame) && this.#members.some((other) => !other.engine.isDead)
  }

  /** The members that work; where none does, all, for any says why. */
  #working(): readonly Member[] {
    const working = this.#members.filter(({ engine }) => !engine.isDead)
    return working.length > 0 ? working : this.#members
  }

  /** The least busy, or the one whose GPU has the frame. */
  #choose(frame: Frame | DeviceFrame): Member {
    if (isDeviceFrame(frame)) {
      return this.#members.find(({ engine }) => engine.device === (frame.device ?? 0)) ?? this.#members[0]
    }
    return this.#working().reduce((best, member) => (member.pending < best.pending ? member : best))
  }
}

/** The loss of one GPU of several, which ends nothing but the calls that it had. */
function ofThisImage(error: unknown, device: number): unknown {
  if (isOfOneImage(error) || !(error instanceof Error)) return error
  return new EfficientDetError(
    'ERR_INFERENCE',
    `${error.message} The other GPUs go on without GPU ${device}.`,
    {
      cause: error,
      details: { device },
    },
  )
}
