/**
 * Upper bounds, well above what occurs, of all that a file from outside or a caller may choose: what is refused when
 * asked for is refused when stored.
 */

// Models.

/** Classes of a model. ImageNet-21k, the largest list with names, has 21,841. */
export const MAX_CLASSES = 65_536

/** Letters (UTF-16 units) of a label; ImageNet's longest has 121. They are drawn and tabled. */
export const MAX_LABEL_LETTERS = 500

/** Letters of all labels together; ImageNet-21k has half as many. Engine headers hold them. */
export const MAX_LABELS_LETTERS = 2 ** 20

/** Pixels of a side of a network's input. D7x has 1536, and memory grows with the area. */
export const MAX_INPUT_SIDE = 8192

/** Anchor scales, and anchor ratios, of a cell; three each are usual. */
export const MAX_ANCHOR_SHAPES = 100

/** Bounds of an anchor's scale and of its ratio's sides; usual ones lie within 0.5…5. */
export const ANCHOR_FACTORS = { min: 1e-3, max: 1e3 } as const

/** Anchors of an input: 268 MB of boxes. D7x has 441,936; nine per cell at the largest input make 12.6 million. */
export const MAX_ANCHORS = 2 ** 24

/** Class scores of an input (anchors × classes), which must be counted in 31 bits by TensorRT and onnxruntime. */
export const MAX_SCORES = 2 ** 31 - 1

// Weights files.

/** Tensors of a file, and storages of an archive. D7x has 2,000, with averages and two optimizer states 8,000. */
export const MAX_TENSORS = 50_000

/** Axes of a tensor: PyTorch's own limit. */
export const MAX_RANK = 64

/**
 * Elements that a tensor may have where its storage has fewer, since strides of 0 repeat them: 4 MiB. Others must be
 * there as often as their shape says.
 */
export const MAX_REPEATED_ELEMENTS = 2 ** 20

/** Bytes of a safetensors header; D7x's has 300,000. The reference implementation allows 100 million. */
export const MAX_SAFETENSORS_HEADER = 2 ** 24

/** Values and keys in a safetensors header: of each tensor a name, three keys, a type, a shape and two offsets. */
export const MAX_SAFETENSORS_VALUES = 20 * MAX_TENSORS

/** Bytes of a pickle, which holds structure and no weights: PyTorch's have less than 1 MB, lists of results included. */
export const MAX_PICKLE_BYTES = 2 ** 26

/** Instructions of a pickle. The optimizer state of 2,000 tensors makes 200,000. */
export const MAX_PICKLE_OPCODES = 2 ** 22

/** Values that a pickle makes, and places of its memo, together. */
export const MAX_PICKLE_VALUES = 2 ** 21

/** Marks of a pickle that are open at the same time. Python's own recursion ends at 1,000. */
export const MAX_PICKLE_MARKS = 10_000

/** Bytes of a line in a pickle of protocol 0, which may be a text. */
export const MAX_PICKLE_LINE = 2 ** 20

/** Digits, or bytes in binary, of a number in a pickle: converting longer ones takes time that grows faster. */
export const MAX_PICKLE_DIGITS = 1024

/** Classes that a pickle names, each once as a rule: judging a name takes up to a tenth of a millisecond. */
export const MAX_PICKLE_CLASSES = 10_000

/** Letters, and parts between dots, of a class's name in a pickle, which is judged part by part. */
export const MAX_PICKLE_NAME = 500
export const MAX_PICKLE_NAME_PARTS = 32

// Engine files.

/** Bytes of a header: labels in full, each letter escaped, and the rest. Parsing it takes some 30 ms. */
export const MAX_ENGINE_HEADER = 2 ** 23

/** Values and keys in a header: labels, the self-test's answers, some hundred facts. */
export const MAX_ENGINE_HEADER_VALUES = 2 * MAX_CLASSES

/** Compute capabilities of an engine; CUDA 13 compiles for eleven. */
export const MAX_CAPABILITIES = 16

/** The largest compute capability, as 10·major + minor. */
export const MAX_CAPABILITY = 999

/** Frames that an engine takes together. */
export const MAX_ENGINE_BATCH = 64

/** Bytes of scratch memory for an engine's layers: a terabyte. */
export const MAX_WORKSPACE = 1e12

/** Letters of a version, of a GPU's name and the like. */
export const MAX_FACT_LETTERS = 200

/** Notes on a model, and letters of each. */
export const MAX_NOTES = 100
export const MAX_NOTE_LETTERS = 3000

// Pictures.

/** Pixels that `maxPixels` allows by itself: the largest cameras' pictures, 300 MB decoded. */
export const DEFAULT_MAX_PIXELS = 1e8

/** Seconds for which one file is decoded; the largest take some three. */
export const MAX_DECODE_SECONDS = 60

/** Scans of a JPEG, as libtiff bounds those in a TIFF; encoders write some ten. A hundred megapixels take 3 s then. */
export const MAX_JPEG_SCANS = 100

/** Bytes of picture files that are in memory at the same time, before they are decoded; a longer one is alone. */
export const MAX_ENCODED_BYTES = 2 ** 28

// Tracking.

/** Detections of one frame that a tracker takes: matching takes time that grows with the cube of their number. */
export const MAX_TRACKED_DETECTIONS = 2000

/** Tracks that a tracker follows at the same time, or of one class where it keeps classes apart. */
export const MAX_TRACKS = 4000

/** Bytes of a line of stored detections, and values and keys of one in JSON: 2000 detections with all there is to them. */
export const MAX_DETECTIONS_LINE = 2 ** 21
export const MAX_LINE_VALUES = 2 ** 17

// Analytics.

/** Lines, and zones, of a stream. */
export const MAX_ZONES = 1000

/** Corners of a zone. */
export const MAX_POLYGON_POINTS = 1000

// Evaluation.

/** Pictures, objects or detections of a data set; COCO's training set has 860,000 objects. */
export const MAX_EVALUATED = 20_000_000

/** Bytes of a file of annotations or detections in JSON, as long as a text of Node's may be. */
export const MAX_EVALUATION_FILE = 2 ** 29 - 32

/** Values and keys in one: half a million detections have 7 million, COCO's val2017 has 5. */
export const MAX_EVALUATION_VALUES = 2 ** 25

// Files in the cache folder.

/** Bytes of a timing cache; those of large networks have some megabytes. */
export const MAX_TIMING_CACHE = 2 ** 26

/** Bytes of the kernels that TensorRT-RTX compiled for an engine, which has at most 812 of them for each batch size. */
export const MAX_COMPILED_KERNELS = 2 ** 29

/** Bytes of the record of a self-test, which has some twenty short facts. */
export const MAX_TEST_RECORD = 2 ** 14

// Videos.

/** Pixels of a side of a frame: ffmpeg's own limit for most codecs. */
export const MAX_VIDEO_SIDE = 16_384

/** Letters of a line that a program of ours prints, and lines that are kept to tell why it failed. */
export const MAX_LOG_LINE = 4000
export const MAX_LOG_LINES = 20

/** Frames whose memory is kept for later ones; 8K frames have 50 MB. */
export const MAX_SPARE_FRAMES = 4

// Runs over many pictures.

/** Bytes of a line in a list or manifest of pictures: a path has at most 4096. */
export const MAX_MANIFEST_LINE = 2 ** 14

/** Letters of a picture's name in a manifest. */
export const MAX_URI_LETTERS = 4096

/** Bytes of the record of a run, in which labels and thresholds of classes stand. */
export const MAX_RUN_RECORD = 2 ** 22

/** Pictures of a shard: what is done again after a crash. */
export const MAX_SHARD_SIZE = 100_000

/** Bytes of a shard's manifest, and of its errors. */
export const MAX_SHARD_FILE = MAX_SHARD_SIZE * MAX_MANIFEST_LINE
