#include "network.h"

#include <algorithm>
#include <string>

namespace efficientdet {

namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::ICudaEngine;

/** Stands for any size in those that a tensor must have. */
constexpr int64_t kAny = -1;

const char *NameOf(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
      return "float32";
    case DataType::kHALF:
      return "float16";
    case DataType::kBF16:
      return "bfloat16";
    case DataType::kINT32:
      return "int32";
    default:
      return "another type";
  }
}

std::string TextOf(const int64_t *sizes, int32_t count) {
  std::string text;
  for (int32_t i = 0; i < count; i++) text += (i == 0 ? "" : "×") + (sizes[i] < 0 ? "N" : std::to_string(sizes[i]));
  return text;
}

bool Has(const ICudaEngine &engine, const char *name) {
  for (int32_t i = 0; i < engine.getNbIOTensors(); i++) {
    if (std::string(engine.getIOTensorName(i)) == name) return true;
  }
  return false;
}

/** @returns its shape */
Dims CheckTensor(const ICudaEngine &engine, const char *name, std::initializer_list<DataType> types,
                 std::initializer_list<int64_t> sizes) {
  if (!Has(engine, name)) {
    throw Failure{ED_INVALID, std::string("The engine has no tensor ") + name +
                                  ": it was not built of one of our graphs, or by another version of this package."};
  }
  const DataType type = engine.getTensorDataType(name);
  const Dims shape = engine.getTensorShape(name);
  int64_t found[Dims::MAX_DIMS];
  std::copy_n(shape.d, shape.nbDims, found);
  bool same =
      shape.nbDims == static_cast<int32_t>(sizes.size()) && std::find(types.begin(), types.end(), type) != types.end();
  for (size_t i = 0; same && i < sizes.size(); i++) {
    same = sizes.begin()[i] == kAny || found[i] == sizes.begin()[i];
  }
  if (!same) {
    throw Failure{ED_INVALID, std::string("The engine's tensor ") + name + " is " + TextOf(found, shape.nbDims) +
                                  " of " + NameOf(type) + ", and the model's is " +
                                  TextOf(sizes.begin(), static_cast<int32_t>(sizes.size())) + " of " +
                                  NameOf(*types.begin()) + ": the engine belongs to another model."};
  }
  return shape;
}

/** Checks a level's tensor but for its cells. @returns how many those are */
int32_t CheckLevel(const ICudaEngine &engine, const char *head, int32_t level, DataType type, int32_t channels) {
  const std::string name = tensor::LevelOf(head, level);
  const Dims shape = CheckTensor(engine, name.c_str(), {type}, {kAny, channels, kAny, kAny});
  if (engine.getTensorFormat(name.c_str()) != HeadFormat(type)) {
    throw Failure{ED_INVALID, "The engine's tensor " + name +
                                  " does not have its channels last: it was built otherwise than this package does."};
  }
  return static_cast<int32_t>(shape.d[2] * shape.d[3]);
}

/** Finds the pyramid's levels. */
DetectionsShape DescribeHeads(const ICudaEngine &engine, const Network &network) {
  DetectionsShape heads{};
  heads.classes = network.classes;
  const std::string first = tensor::LevelOf(tensor::kClassLogits, 0);
  const DataType type = Has(engine, first.c_str()) ? engine.getTensorDataType(first.c_str()) : DataType::kFLOAT;
  heads.type = HeadTypeOf(type);
  int64_t cells = 0;
  while (heads.levels < kMaxLevels && Has(engine, tensor::LevelOf(tensor::kClassLogits, heads.levels).c_str())) {
    const Dims shape = engine.getTensorShape(tensor::LevelOf(tensor::kClassLogits, heads.levels++).c_str());
    if (shape.nbDims == 4) cells += shape.d[2] * shape.d[3];
  }
  heads.anchors_per_cell = static_cast<int32_t>(cells > 0 ? network.anchors / cells : 0);
  if (cells > 0 && heads.anchors_per_cell * cells != network.anchors) {
    throw Failure{ED_INVALID, "The engine's heads have " + std::to_string(cells) + " cells, and the model has " +
                                  std::to_string(network.anchors) +
                                  " anchors, which is no multiple: the engine belongs to another model."};
  }
  // Without any level, the first one is missed.
  for (int32_t level = 0; level < std::max(heads.levels, 1); level++) {
    heads.cells[level] = CheckLevel(engine, tensor::kClassLogits, level, type, heads.logit_channels());
    if (CheckLevel(engine, tensor::kBoxRegression, level, type, heads.box_channels()) != heads.cells[level]) {
      throw Failure{ED_INVALID, "The engine's heads have different cells at level " + std::to_string(level + 3) +
                                    ": it was not built of one of our graphs."};
    }
  }
  return heads;
}

}  // namespace

HeadType HeadTypeOf(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
      return kHeadFloat32;
    case DataType::kHALF:
      return kHeadFloat16;
    case DataType::kBF16:
      return kHeadBfloat16;
    default:
      throw Failure{ED_INVALID, std::string("The engine's heads are of ") + NameOf(type) +
                                    "; they must be float32, float16 or bfloat16."};
  }
}

Network DescribeNetwork(const ICudaEngine &engine, const ed_model &model) {
  Network network{};
  network.input_height = static_cast<int32_t>(model.input_height);
  network.input_width = static_cast<int32_t>(model.input_width);
  network.anchors = static_cast<int32_t>(model.anchor_count);
  network.classes = static_cast<int32_t>(model.classes);
  const Dims images = CheckTensor(engine, tensor::kImages, {DataType::kFLOAT, DataType::kHALF},
                                  {kAny, 3, network.input_height, network.input_width});
  network.half = engine.getTensorDataType(tensor::kImages) == DataType::kHALF;
  network.has_plugin = Has(engine, tensor::kDetections);
  if (network.has_plugin) {
    CheckTensor(engine, tensor::kClassThresholds, {DataType::kFLOAT}, {kAny, network.classes});
    CheckTensor(engine, tensor::kPostprocess, {DataType::kFLOAT}, {kAny, kPostprocessFields});
    CheckTensor(engine, tensor::kCounts, {DataType::kINT32}, {kAny, kCountFields});
    const Dims detections =
        CheckTensor(engine, tensor::kDetections, {DataType::kFLOAT}, {kAny, kAny, kDetectionFields});
    network.capacity = static_cast<int32_t>(detections.d[1]);
  } else {
    network.heads = DescribeHeads(engine, network);
  }

  if (images.d[0] > 0) {
    network.profiles.push_back({0, static_cast<int32_t>(images.d[0])});
  } else {
    for (int32_t profile = 0; profile < engine.getNbOptimizationProfiles(); profile++) {
      const Dims most = engine.getProfileShape(tensor::kImages, profile, nvinfer1::OptProfileSelector::kMAX);
      if (most.nbDims == 4 && most.d[0] > 0) network.profiles.push_back({profile, static_cast<int32_t>(most.d[0])});
    }
    std::sort(network.profiles.begin(), network.profiles.end(),
              [](auto a, auto b) { return a.batch_size < b.batch_size; });
  }
  if (network.profiles.empty()) throw Failure{ED_INVALID, "The engine takes batches of no size."};
  return network;
}

}  // namespace efficientdet
