/*
 * The contract between the addon, which knows nothing of TensorRT, and what runs networks: one table of C functions
 * in a shared library opened at run time.
 *
 * Rules for both sides:
 *
 * - Nothing throws or longjmps across these functions. They return a status.
 * - Unless that is ED_OK, they write a sentence into the message buffer: what was found, what was expected, what to
 *   do.
 * - Memory is freed by the side that allocated it. Strings are UTF-8 and end with NUL.
 * - A library is never closed again, so strings and tables it hands out stay valid.
 * - `infer` of one context of an engine is called by one thread at a time; contexts run side by side. Everything else
 *   may be called by any thread.
 */
#ifndef EFFICIENTDET_BACKEND_H
#define EFFICIENTDET_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Grows with every change that an older side would misread. Both sides refuse another number. */
#define ED_BACKEND_ABI_VERSION 4u

/** Name of the function of a backend library that the addon calls, an `ed_open_backend`. */
#define ED_OPEN_BACKEND "efficientdet_open_backend"

#if defined(__GNUC__)
#define ED_EXPORT __attribute__((visibility("default")))
#else
#define ED_EXPORT
#endif

typedef enum ed_status {
  ED_OK = 0,
  /** The machine lacks something that has no status of its own below: a device, say. */
  ED_UNAVAILABLE = 1,
  /** The caller's bytes or options cannot be used: a refused graph, a damaged or foreign engine. */
  ED_INVALID = 2,
  /** Memory of the host or the device does not suffice. */
  ED_OUT_OF_MEMORY = 3,
  /** The caller raised the cancel flag. */
  ED_CANCELLED = 4,
  /** Anything else that went wrong while it ran. The engine may be used again. */
  ED_FAILED = 5,
  /** The device failed, and the process can use it no more until it ends: no engine there answers, nor does a load.
      Engines on other devices go on. */
  ED_DEVICE_LOST = 6,
  /* What the machine lacks. The message says what was looked for. */
  /** There is no NVIDIA driver. */
  ED_NO_DRIVER = 7,
  /** The driver cannot run the backend's CUDA. */
  ED_OLD_DRIVER = 8,
  /** The backend's library was not found. */
  ED_NO_LIBRARY = 9,
  /** A file of its name is there, and is no library that can be opened, or another one. */
  ED_NOT_A_LIBRARY = 10,
  /** The library has a version that the backend does not work with. */
  ED_WRONG_VERSION = 11,
  /** Engines can be run but not built: the library that reads ONNX files is missing. */
  ED_NO_PARSER = 12
} ed_status;

/** Where a function puts its message. Longer ones are cut; `text` always ends with NUL. */
typedef struct ed_message {
  char *text;
  /** Bytes of `text`, at least 1. */
  size_t capacity;
} ed_message;

/* --- Probing --------------------------------------------------------------------------------------------------- */

typedef struct ed_device {
  /** Such as "NVIDIA GeForce RTX 4090"; empty, as all else, where the device does not tell it. */
  char name[128];
  /** As the driver names it, such as "GPU-8f…"; empty where it has none. */
  char uuid[48];
  /** Compute capability, such as 8 and 9. */
  int32_t major;
  int32_t minor;
  uint64_t memory_bytes;
  /** 0 if it cannot be used now: its memory is full, another process has it for itself, or it failed.
      ED_UNKNOWN_BYTES, perhaps, where it is not used. */
  uint64_t free_bytes;
  /** Whether it shares the host's memory, as Jetsons do. */
  int32_t integrated;
} ed_device;

#define ED_MAX_DEVICES 16u
#define ED_UNKNOWN_BYTES UINT64_MAX

/** What was found, as far as it was, also where `probe` says that the backend cannot run. */
typedef struct ed_probe {
  /** What the backend runs on, such as "TensorRT 10.15.1, CUDA 13.0, driver for CUDA 13.1". */
  char description[256];
  /** Such as "10.15.1"; empty where no library was found. */
  char library_version[32];
  /** The CUDA runtime within the backend, such as "13.0"; empty without. */
  char cuda_version[32];
  /** The newest CUDA that the driver can run, such as "13.1"; empty without a driver. */
  char driver_version[32];
  /** Whether `build` works here: TensorRT-RTX builds without a device. */
  int32_t can_build;
  uint32_t device_count;
  ed_device devices[ED_MAX_DEVICES];
} ed_probe;

/* --- Building -------------------------------------------------------------------------------------------------- */

/** Told while an engine is built, on the building thread: 0…1, never falling, 1 at the end, with the phase's name. */
typedef void (*ed_progress)(void *context, float fraction, const char *phase);

typedef enum ed_severity { ED_ERROR = 0, ED_WARNING = 1, ED_INFO = 2 } ed_severity;

/** Told what the libraries below the backend say, on any of their threads. */
typedef void (*ed_log)(void *context, ed_severity severity, const char *line);

/** Bytes that the backend allocated; given back through `free_bytes`. */
typedef struct ed_bytes {
  uint8_t *data;
  size_t size;
} ed_bytes;

typedef struct ed_build_options {
  /** Largest batch that the engine takes, 1 or more. Batches of 1, 2, 4, 8, 16, 32 and this one are tuned for. */
  uint32_t max_batch_size;
  /** Number of the device, as `probe` lists them, that it is built for; ignored where targets are given. */
  uint32_t device;
  /** Compute capabilities to build for, as 10·major + minor; none for the device's own. ED_INVALID where the
      backend can only build for its device. */
  const uint32_t *targets;
  uint32_t target_count;
  /** Bytes of scratch memory that layers may use; 0 leaves it to the backend. */
  uint64_t workspace_bytes;
  /** 0…5, how much time to spend on finding fast kernels; -1 leaves it to the backend. */
  int32_t optimisation_level;
  /** Whether float32 products may be rounded to TF32. */
  int32_t tf32;
  /** Whether the engine shall run with later versions of the library, and on later devices. ED_INVALID where the
      backend has no such engines. */
  int32_t version_compatible;
  int32_t hardware_compatible;
  /** What earlier builds measured, from `timing_cache_out` of one of them, or NULL. One that does not fit is ignored.
   */
  const uint8_t *timing_cache;
  size_t timing_cache_size;
  /** Where what was measured goes, for later builds, freed by `free_bytes`; may be NULL. Left empty by a backend
      without such a cache. */
  ed_bytes *timing_cache_out;
  /** May be NULL. */
  ed_progress progress;
  void *progress_context;
  /** May be NULL. */
  ed_log log;
  void *log_context;
  /** Looked at often: not 0 asks to end with ED_CANCELLED. Never NULL. Written atomically by another thread. */
  const int32_t *cancel;
} ed_build_options;

/* --- Inference ------------------------------------------------------------------------------------------------- */

typedef enum ed_format {
  ED_RGB = 0,
  ED_RGBA = 1,
  ED_BGR = 2,
  ED_BGRA = 3,
  ED_GREY = 4,
  /** A plane of luma, then one of interleaved U and V at half its width and height (rounded up). */
  ED_NV12 = 5,
  /** A plane of luma, then one of U and one of V at half its width and height (rounded up). */
  ED_I420 = 6
} ed_format;

typedef enum ed_memory { ED_HOST = 0, ED_DEVICE = 1 } ed_memory;

/** By which standard luma and chroma are made of RGB: ITU-R BT.601-7, BT.709-6, BT.2020-2 (non-constant luminance). */
typedef enum ed_matrix { ED_BT601 = 0, ED_BT709 = 1, ED_BT2020 = 2 } ed_matrix;

/** Luma of 16…235 and chroma of 16…240, or all of 0…255. */
typedef enum ed_range { ED_LIMITED = 0, ED_FULL = 1 } ed_range;

/** When the bytes of a frame on a device are there. */
typedef enum ed_readiness {
  /** Now. */
  ED_READY = 0,
  /** Once an event of CUDA's has happened. */
  ED_AFTER_EVENT = 1,
  /** Once a stream of CUDA's, on the engine's device, has done what is in it when the batch starts. */
  ED_AFTER_STREAM = 2
} ed_readiness;

/** An uncompressed image, 8 bits a sample. Its bytes stay as they are until `infer` returns. */
typedef struct ed_frame {
  ed_format format;
  /** How ED_NV12 and ED_I420 make colours; all others leave them at 0. */
  ed_matrix matrix;
  ed_range range;
  ed_memory memory;
  /** In pixels, 1 or more. */
  uint32_t width;
  uint32_t height;
  /** Begin of each plane; as many as the format has, the rest NULL. */
  const uint8_t *planes[3];
  /** Bytes from one row to the next of each plane. */
  uint32_t strides[3];
  /** ED_READY for frames on the host. */
  ed_readiness readiness;
  /** The cudaEvent_t or cudaStream_t; the device waits for it, and not the caller. */
  void *awaited;
} ed_frame;

typedef enum ed_resize {
  /** Pillow's bilinear filter: its support grows when shrinking; 8-bit results (effdet). */
  ED_ANTIALIASED = 0,
  /** Four neighbours at half-pixel centres, in floating point (zylo, automl). */
  ED_BILINEAR = 1
} ed_resize;

/** Everything about a network that its plan does not say. Pointers need to be valid only during `load`. */
typedef struct ed_model {
  uint32_t input_height;
  uint32_t input_width;
  uint32_t classes;
  uint32_t anchor_count;
  /** anchor_count × 4: centre y, centre x, height, width, in input pixels. */
  const float *anchors;
  /** Per channel R, G, B, in pixel units 0…255. */
  float mean[3];
  float std[3];
  float fill[3];
  ed_resize resize;
} ed_model;

typedef struct ed_load_options {
  /** Number of the device, as `probe` lists them. */
  uint32_t device;
  /** Batches that may run at the same time, 1 or more: so many contexts. The engine may have fewer, and says so. */
  uint32_t contexts;
  /** Whether the plan may bring code for the host, as version-compatible ones do, which then runs in this process.
     Plans that bring some are ED_INVALID without. */
  int32_t allow_host_code;
  /** Kernels that an earlier load compiled, from `kernels_out` of one, or NULL. Those that do not fit are ignored. */
  const uint8_t *kernels;
  size_t kernels_size;
  /** Where kernels that were compiled go, for later loads, freed by `free_bytes`; may be NULL. Left empty where all
      were known, and by a backend that compiles none. */
  ed_bytes *kernels_out;
  /** As that of ed_build_options; may be NULL. */
  const int32_t *cancel;
} ed_load_options;

typedef struct ed_postprocess {
  /** 0…1 for each class: its scores must be above it. 2 for a class that is not wanted. */
  const float *score_thresholds;
  /** 0…1; of two boxes that overlap more, the worse is dropped. */
  float iou_threshold;
  uint32_t max_detections;
  /** Best class scores that enter non-maximum suppression. */
  uint32_t pre_nms_top_k;
  /** 0: boxes compete within their class; 1: all with all. */
  int32_t agnostic;
} ed_postprocess;

typedef struct ed_detection {
  /** Corners in source pixels, within the image. */
  float x1, y1, x2, y2;
  /** 0…1. */
  float score;
  uint32_t class_id;
} ed_detection;

/** The answer for one frame. The caller sets the first two members, the backend the others. */
typedef struct ed_result {
  /** Room for `capacity` detections, best first. */
  ed_detection *detections;
  /** The postprocess's max_detections. */
  uint32_t capacity;
  uint32_t count;
  /** Whether pre_nms_top_k or max_detections left anything out. */
  int32_t candidates_capped;
  int32_t detections_capped;
  /** Whether the network gave NaN or infinity for this frame; then count is 0, and other frames are as they are. */
  int32_t not_finite;
  /** Milliseconds of the whole batch. */
  float preprocess_ms;
  float network_ms;
  float postprocess_ms;
} ed_result;

typedef struct ed_engine ed_engine;

#define ED_MAX_PROFILES 16u

typedef struct ed_engine_info {
  /** Frames that one `infer` takes at most. */
  uint32_t max_batch_size;
  /** Batches that run at the same time: `infer` takes contexts 0…contexts-1. */
  uint32_t contexts;
  /** Such as "NVIDIA H100, float16". */
  char description[256];
  /** Memory that the engine holds on its device. */
  uint64_t device_bytes;
  /** Batches that it is tuned for, ascending; others run as the next larger. */
  uint32_t profile_count;
  uint32_t profile_batch_sizes[ED_MAX_PROFILES];
  /** In how many contexts each of them runs as one graph now, which starts in one call. */
  uint32_t profile_graphs[ED_MAX_PROFILES];
} ed_engine_info;

/* --- The table -------------------------------------------------------------------------------------------------- */

typedef struct ed_backend {
  /** ED_BACKEND_ABI_VERSION of the backend's build. */
  uint32_t abi_version;
  /** sizeof(ed_backend) of the backend's build. */
  uint32_t table_size;
  /** Such as "tensorrt10". */
  const char *name;

  /**
   * Finds the libraries below in this folder, or where the system looks if it is NULL, before any other call but
   * `probe`.
   *
   * May be tried again where it fails; a second folder once a first was taken is ED_INVALID.
   */
  ed_status (*attach)(const char *folder, ed_message *message);
  /**
   * Whether it can run here, on which devices. Fills the probe in whatever it says, also before `attach`.
   *
   * @param devices that will be used, a bit each: they alone are made to work, for which memory is taken there
   */
  ed_status (*probe)(uint32_t devices, ed_probe *probe, ed_message *message);
  /** Builds an engine from an ONNX file's bytes. Seconds to minutes. */
  ed_status (*build)(const uint8_t *onnx, size_t size, const ed_build_options *options, ed_bytes *plan,
                     ed_message *message);
  /**
   * What an engine consists of, as the library's own JSON: each layer with its precision. Needs the engine's device.
   *
   * ED_INVALID for plans with code for the host, which is never run for this.
   */
  ed_status (*inspect)(const uint8_t *plan, size_t size, uint32_t device, ed_bytes *json, ed_message *message);
  void (*free_bytes)(ed_bytes *bytes);
  /** Makes an engine ready to run: every batch size has run once in every context. Seconds, or a minute where kernels
      are compiled. */
  ed_status (*load)(const uint8_t *plan, size_t size, const ed_model *model, const ed_load_options *options,
                    ed_engine **engine, ed_message *message);
  /** May be called while batches run. */
  ed_status (*info)(const ed_engine *engine, ed_engine_info *info, ed_message *message);
  /** Host memory for frames from which a device copies fastest, or which it reads in place, as much as asked; NULL if
      there is none. */
  uint8_t *(*allocate)(uint32_t device, size_t size);
  /** Takes back what `allocate` gave for a device, after any engine. */
  void (*release)(uint32_t device, uint8_t *memory);
  /** Detects in `count` frames, 1…max_batch_size, each with its own post-processing. All succeed or none. */
  ed_status (*infer)(ed_engine *engine, uint32_t context, const ed_frame *frames, const ed_postprocess *postprocess,
                     ed_result *results, uint32_t count, ed_message *message);
  /** Frees an engine that no `infer` is running on. */
  void (*destroy)(ed_engine *engine);
} ed_backend;

/**
 * Gives the backend's table for the caller's ABI version, or NULL if it has none for it. The table is valid for
 * ever.
 */
typedef const ed_backend *(*ed_open_backend)(uint32_t abi_version);

#ifdef __cplusplus
}
#endif

#endif
