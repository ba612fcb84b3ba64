/*
 * Raw outputs → detections, on the device, for the plugin and for engines without one.
 *
 * Results are those of lib/postprocess/detections.ts, decoded and compared in float32 and float64 whatever the
 * network's precision.
 */
#ifndef EFFICIENTDET_CUDA_DETECTIONS_H
#define EFFICIENTDET_CUDA_DETECTIONS_H

#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

/** The greatest `candidates` that a shape may have: they are compared each with each. */
constexpr int32_t kMaxCandidates = 65536;

/** The most levels that a pyramid may have; D7x has six. */
constexpr int32_t kMaxLevels = 8;

/** The heads' type. */
enum HeadType : int32_t { kHeadFloat32 = 0, kHeadFloat16 = 1, kHeadBfloat16 = 2 };

constexpr int32_t BytesOf(HeadType type) { return type == kHeadFloat32 ? 4 : 2; }

/** What is read at a time, and what cells are aligned to, in bytes. */
constexpr int32_t kHeadVector = 16;

/** Values from a cell to the next of a level that has so many for each: filled up to whole vectors. */
constexpr int32_t PaddedChannels(int32_t values, HeadType type) {
  const int32_t lanes = kHeadVector / BytesOf(type);
  return (values + lanes - 1) / lanes * lanes;
}

struct DetectionsShape {
  /** 1…kMaxLevels; anchors come by level, then cell. */
  int32_t levels;
  /** Height × width of each level. */
  int32_t cells[kMaxLevels];
  int32_t anchors_per_cell;
  /** Anchors × classes is below 2³¹. */
  int32_t classes;
  HeadType type;
  /** Limits that no frame exceeds: 1…kMaxCandidates class scores enter suppression, and 1 or more boxes leave it.
      Greater wishes are cut to them. */
  int32_t candidates;
  int32_t detections;

  int32_t box_channels() const { return PaddedChannels(4 * anchors_per_cell, type); }
  int32_t logit_channels() const { return PaddedChannels(classes * anchors_per_cell, type); }
  int32_t anchors() const {
    int32_t sum = 0;
    for (int32_t level = 0; level < levels; ++level) sum += cells[level] * anchors_per_cell;
    return sum;
  }
};

/** What a row of `postprocess` holds, each as float32. */
enum PostprocessField : int32_t {
  /** 0…1; of two boxes that overlap more, the worse is dropped. */
  kIouThreshold = 0,
  kMaxDetections = 1,
  kPreNmsTopK = 2,
  /** 0: boxes compete within their class; else all with all. */
  kAgnostic = 3,
  /** The letterbox's input pixels per source pixel. */
  kScale = 4,
  /** The source's size in pixels. */
  kSourceWidth = 5,
  kSourceHeight = 6,
  /** What of the scale float32 does not hold; 0 if that does not matter. */
  kScaleRemainder = 7,
  kPostprocessFields = 8,
};

/** What a row of `counts` holds. */
enum CountField : int32_t {
  kCount = 0,
  /** 1 if the limit of candidates, or of detections, left any out. */
  kCandidatesCapped = 1,
  kDetectionsCapped = 2,
  /** 1 if any regression or logit is NaN or infinite; then nothing is detected. */
  kNotFinite = 3,
  kCountFields = 4,
};

/** x1, y1, x2, y2 in source pixels within the image, score 0…1, class. */
constexpr int32_t kDetectionFields = 6;

/** All in device memory; the heads in the shape's type, channels last, all else float32. */
struct DetectionsInputs {
  /** Each level's batch × cells × box_channels: ty, tx, th, tw of each anchor, then what nobody looks at. */
  const void *box_regression[kMaxLevels];
  /** Each level's batch × cells × logit_channels: the classes of each anchor, then what nobody looks at. */
  const void *class_logits[kMaxLevels];
  /** anchors × 4: centre y, centre x, height, width, in input pixels. */
  const float *anchors;
  /** batch × classes: logits must be above them (see LogitThreshold). Infinity for a class that is not wanted. */
  const float *class_thresholds;
  /** batch × kPostprocessFields. */
  const float *postprocess;
};

/** All in device memory. */
struct DetectionsOutputs {
  /** batch × detections × kDetectionFields, best first; rows beyond the count are 0. */
  float *detections;
  /** batch × kCountFields. */
  int32_t *counts;
};

/** The logit above which a score (0…1) is above a threshold; infinity for thresholds of 1 and more. */
inline float LogitThreshold(float score) {
  if (score >= 1) return std::numeric_limits<float>::infinity();
  const double exact = std::log(static_cast<double>(score) / (1 - static_cast<double>(score)));
  // Rounded downwards: what is above in float64 and what is above in float32 are the same float32 numbers.
  const auto rounded = static_cast<float>(exact);
  return rounded > exact ? std::nextafter(rounded, -std::numeric_limits<float>::infinity()) : rounded;
}

/** Bytes of device memory that `LaunchDetections` works in, aligned to 256. */
size_t DetectionsWorkspace(int32_t batch, const DetectionsShape &shape);

/**
 * Detects in a batch. Takes no decision on the host, so it may be captured in a graph. Equal inputs give equal bits;
 * ties come by anchor, then class.
 *
 * @param multiprocessors of the device, which decide on speed alone
 * @param batch 1…65535
 */
cudaError_t LaunchDetections(cudaStream_t stream, int32_t multiprocessors, int32_t batch, const DetectionsShape &shape,
                             const DetectionsInputs &inputs, const DetectionsOutputs &outputs, void *workspace);

#endif
