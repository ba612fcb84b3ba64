import { abridged } from './listing.js'

/**
 * Every failure of this package that a caller can act on. The code is stable; the message says what was
 * found, what was expected and what to do.
 */
export type ErrorCode =
  /** An option has the wrong type, range or name. */
  | 'ERR_INVALID_OPTION'
  /** An image cannot be read: missing, truncated, of an unknown kind, of impossible size. */
  | 'ERR_IMAGE'
  /** An image has more pixels than `maxPixels` allows. */
  | 'ERR_IMAGE_TOO_LARGE'
  /** A video cannot be opened or read: missing, damaged, without a picture, silent for too long. */
  | 'ERR_VIDEO'
  /** The program ffmpeg is missing, too old, or does not answer. */
  | 'ERR_FFMPEG'
  /** No bundled model, pulled model or file answers to that name. */
  | 'ERR_MODEL_NOT_FOUND'
  /** A weights file is damaged, of an unknown kind, or does not fit any EfficientDet. */
  | 'ERR_WEIGHTS'
  /** The tensors fit more than one model and no option or file name decides. */
  | 'ERR_WEIGHTS_AMBIGUOUS'
  /** A pickle asks for a call that could act, such as `os.system`. */
  | 'ERR_UNSAFE_PICKLE'
  /** A label file does not fit the model. */
  | 'ERR_LABELS'
  /** A zones file is none, or what it asks for cannot be. */
  | 'ERR_ZONES'
  /** A file of detections is damaged, of an unknown kind, or not in the order of frames. */
  | 'ERR_DETECTIONS'
  /** A file of annotations is damaged, of an unknown kind, or contradicts itself. */
  | 'ERR_ANNOTATIONS'
  /** The requested backend cannot run here. */
  | 'ERR_BACKEND_UNAVAILABLE'
  /** An engine cannot be built or loaded: the graph is refused, the file damaged or for another device. */
  | 'ERR_ENGINE'
  /** Memory of the host or the device does not suffice. */
  | 'ERR_OUT_OF_MEMORY'
  /** The network gave something that cannot be used for this image (NaN, wrong shape), or did not run. */
  | 'ERR_INFERENCE'
  /** The GPU failed, and nothing runs on it any more until the process is restarted. */
  | 'ERR_DEVICE_LOST'
  /** What runs the network gave no answer in time, or its thread or process ended. Load the model again. */
  | 'ERR_ENGINE_LOST'
  /** The queue of the detector is full and it was asked not to wait. */
  | 'ERR_QUEUE_FULL'
  /** The detector was disposed. */
  | 'ERR_DISPOSED'
  /** A download failed or what arrived is not what was expected. */
  | 'ERR_DOWNLOAD'
  /** A folder or file of ours cannot be written. */
  | 'ERR_OUTPUT'
  /** A list, manifest, archive or folder of pictures cannot be read. */
  | 'ERR_SOURCES'
  /** A destination holds the results of another run, or one is under way there. */
  | 'ERR_RUN'
  /** A file of this package, or a package that it needs, is not where it should be, as happens in bundles. */
  | 'ERR_PACKAGE_FILE'

/** Codes that say nothing about other images: where one is found, a stream or batch can go on with the next. */
const OF_ONE_IMAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_INVALID_OPTION',
  'ERR_IMAGE',
  'ERR_IMAGE_TOO_LARGE',
  'ERR_OUT_OF_MEMORY',
  'ERR_INFERENCE',
])

export interface ErrorOptions {
  readonly cause?: unknown
  /** Facts for programs, such as `{ missing: [...], unexpected: [...] }`. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** Letters of a message. */
const MAX_MESSAGE = 5000

/**
 * The one error class of this package. Its message is one line that holds no secrets and steers no terminal, whatever
 * it quotes.
 */
export class EfficientDetError extends Error {
  override readonly name = 'EfficientDetError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(abridged(message, MAX_MESSAGE), options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  /**
   * What `JSON.stringify` writes: name, code, message and details. Structured cloning keeps but an error's name and
   * message; who needs the code in another thread posts this.
   */
  toJSON(): { name: string; code: ErrorCode; message: string; details: Readonly<Record<string, unknown>> } {
    const { name, code, message, details } = this
    return { name, code, message, details }
  }
}

/** Whether what failed is one image, and not the detector or the program. */
export function isOfOneImage(error: unknown): error is EfficientDetError {
  return error instanceof EfficientDetError && OF_ONE_IMAGE.has(error.code)
}
