#pragma once

#include <cstdint>
#include <vector>

#include "efficientdet_backend.h"
#include "family.h"

namespace efficientdet {

/** Names of a network's tensors, as lib/graph gives them. */
namespace tensor {

inline constexpr const char *kImages = "images";
inline constexpr const char *kBoxRegression = "box_regression";
inline constexpr const char *kClassLogits = "class_logits";
/** Of a network that ends in our plugin. */
inline constexpr const char *kClassThresholds = "class_thresholds";
inline constexpr const char *kSelection = "selection";
inline constexpr const char *kDetections = "detections";
inline constexpr const char *kCounts = "counts";

}  // namespace tensor

/** What an engine's network takes and gives. */
struct Network {
  /** A profile, and the largest batch of it. */
  struct Bucket {
    int32_t profile;
    int32_t batch;
  };

  int32_t input_height;
  int32_t input_width;
  int32_t anchors;
  int32_t classes;
  /** Whether `images` are float16; else they are float32. */
  bool half;
  /** Whether it ends in our plugin; else it gives raw outputs. */
  bool has_plugin;
  /** Of the plugin: most detections per frame. */
  int32_t capacity;
  /** In ascending order of their batches. */
  std::vector<Bucket> buckets;

  int32_t max_batch() const { return buckets.back().batch; }
};

/** @throws Failure ED_INVALID if an engine's tensors are not those of an EfficientDet of this model. */
Network DescribeNetwork(const nvinfer1::ICudaEngine &engine, const ed_model &model);

}  // namespace efficientdet
