#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "detections.h"
#include "efficientdet_backend.h"
#include "family.h"

namespace efficientdet {

/** Names of a network's tensors, as lib/graph gives them. */
namespace tensor {

inline constexpr const char *kImages = "images";
/** The heads', each level of which is a tensor. */
inline constexpr const char *kBoxRegression = "box_regression";
inline constexpr const char *kClassLogits = "class_logits";
/** Name of a head's level, counted from 0: that is P3. */
inline std::string LevelOf(const char *head, int32_t level) {
  return std::string(head) + "/p" + std::to_string(level + 3);
}
/** Tensors of a network that ends in our plugin. */
inline constexpr const char *kClassThresholds = "class_thresholds";
inline constexpr const char *kPostprocess = "postprocess";
inline constexpr const char *kDetections = "detections";
inline constexpr const char *kCounts = "counts";

}  // namespace tensor

/** How the values of a head lie: each cell's channels together. */
inline nvinfer1::TensorFormat HeadFormat(nvinfer1::DataType type) {
  return type == nvinfer1::DataType::kFLOAT ? nvinfer1::TensorFormat::kHWC : nvinfer1::TensorFormat::kHWC8;
}

/** @throws Failure ED_INVALID for a type that no head has */
HeadType HeadTypeOf(nvinfer1::DataType type);

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
  /** What the heads give; its limits are 0. Without levels where the network ends in our plugin. */
  DetectionsShape heads;
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
