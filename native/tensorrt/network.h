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
/** Tensors of a network that ends in our plugin. */
inline constexpr const char *kClassThresholds = "class_thresholds";
inline constexpr const char *kPostprocess = "postprocess";
inline constexpr const char *kDetections = "detections";
inline constexpr const char *kCounts = "counts";

}  // namespace tensor

/** What an engine's network takes and gives. */
struct Network {
  /** An optimisation profile, and its largest batch. */
  struct Profile {
    int32_t index;
    int32_t batch_size;
  };

  int32_t input_height;
  int32_t input_width;
  int32_t anchors;
  int32_t classes;
  /** Whether `images` are float16; else they are float32. */
  bool half;
  /** Whether it ends in our plugin; else it gives raw outputs. */
  bool has_plugin;
  /** Most detections per frame of the plugin. */
  int32_t capacity;
  /** In ascending order of their batches. */
  std::vector<Profile> profiles;

  int32_t max_batch_size() const { return profiles.back().batch_size; }
};

/** @throws Failure ED_INVALID if an engine's tensors are not those of an EfficientDet of this model. */
Network DescribeNetwork(const nvinfer1::ICudaEngine &engine, const ed_model &model);

}  // namespace efficientdet
