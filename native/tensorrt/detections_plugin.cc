#include "detections_plugin.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "detections.h"
#include "launch.h"
#include "network.h"

namespace efficientdet {

namespace {

using nvinfer1::DataType;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginTensorDesc;

/** Inputs after the levels of both heads. */
enum Input : int32_t { kAnchors, kClassThresholds, kPostprocess, kInputs };
enum Output : int32_t { kDetections, kCounts, kOutputs };

constexpr int32_t kDefaultCandidates = 5000;

/** The limits, as the plan keeps them. */
struct Limits {
  int32_t capacity = 0;
  int32_t candidates = kDefaultCandidates;
};

/** Levels of each head among so many inputs; 0 if there are no so many. */
int32_t LevelsOf(int32_t input_count) {
  const int32_t levels = (input_count - kInputs) / 2;
  return levels >= 1 && levels <= kMaxLevels && 2 * levels + kInputs == input_count ? levels : 0;
}

/** How the inputs are seen that belong together. */
class Inputs {
 public:
  Inputs(const nvinfer1::Dims *dims, DataType type, int32_t levels) : dims_(dims), type_(type), levels_(levels) {}

  const nvinfer1::Dims &Of(Input input) const { return dims_[2 * levels_ + input]; }
  const nvinfer1::Dims &Boxes(int32_t level) const { return dims_[level]; }
  const nvinfer1::Dims &Logits(int32_t level) const { return dims_[levels_ + level]; }

  /** Sizes of the network. Those that are not known yet are -1 or a maximum. */
  DetectionsShape Shape(const Limits &limits) const {
    DetectionsShape shape{};
    shape.levels = levels_;
    int32_t cells = 0;
    for (int32_t level = 0; level < levels_; level++) {
      shape.cells[level] = static_cast<int32_t>(Logits(level).d[2] * Logits(level).d[3]);
      cells += shape.cells[level];
    }
    shape.anchors_per_cell = cells > 0 ? static_cast<int32_t>(Of(kAnchors).d[0]) / cells : 0;
    shape.classes = static_cast<int32_t>(Of(kClassThresholds).d[1]);
    shape.type = HeadTypeOf(type_);
    shape.candidates = limits.candidates;
    shape.detections = limits.capacity;
    return shape;
  }

  int64_t batch() const { return Boxes(0).d[0]; }

  /** Whether the sizes, as far as they are known (not -1), belong together. */
  bool Fit() const {
    constexpr int64_t kUnknown = -1;
    const auto same = [](int64_t a, int64_t b) { return a == b || a == kUnknown || b == kUnknown; };
    const DetectionsShape shape = Shape({});
    bool fit = shape.anchors() == Of(kAnchors).d[0] && same(Of(kAnchors).d[1], 4) &&
               same(Of(kClassThresholds).d[0], batch()) && same(Of(kPostprocess).d[0], batch()) &&
               same(Of(kPostprocess).d[1], kPostprocessFields);
    for (int32_t level = 0; level < levels_; level++) {
      fit = fit && same(Boxes(level).d[0], batch()) && same(Logits(level).d[0], batch()) &&
            Boxes(level).d[1] == shape.box_channels() && Logits(level).d[1] == shape.logit_channels() &&
            Boxes(level).d[2] == Logits(level).d[2] && Boxes(level).d[3] == Logits(level).d[3];
    }
    return fit;
  }

 private:
  const nvinfer1::Dims *dims_;
  DataType type_;
  int32_t levels_;
};

/** The sizes of all inputs. */
template <class Description, class DimsOf>
std::vector<nvinfer1::Dims> AllDims(const Description *inputs, int32_t count, DimsOf dims_of) {
  std::vector<nvinfer1::Dims> dims;
  dims.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; i++) dims.push_back(dims_of(inputs[i]));
  return dims;
}

class DetectionsPlugin final : public nvinfer1::IPluginV3,
                               public nvinfer1::IPluginV3OneCore,
                               public nvinfer1::IPluginV3OneBuild,
                               public nvinfer1::IPluginV3OneRuntime {
 public:
  explicit DetectionsPlugin(const Limits &limits)
      : limits_(limits),
        timing_cache_id_("capacity=" + std::to_string(limits.capacity) +
                         ",candidates=" + std::to_string(limits.candidates)) {}

  nvinfer1::IPluginCapability *getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override {
    switch (type) {
      case nvinfer1::PluginCapabilityType::kCORE:
        return static_cast<nvinfer1::IPluginV3OneCore *>(this);
      case nvinfer1::PluginCapabilityType::kBUILD:
        return static_cast<nvinfer1::IPluginV3OneBuild *>(this);
      case nvinfer1::PluginCapabilityType::kRUNTIME:
        return static_cast<nvinfer1::IPluginV3OneRuntime *>(this);
    }
    return nullptr;
  }

  nvinfer1::IPluginV3 *clone() noexcept override { return new (std::nothrow) DetectionsPlugin(limits_); }

  // --- Core

  const char *getPluginName() const noexcept override { return kPluginName; }
  const char *getPluginVersion() const noexcept override { return kPluginVersion; }
  const char *getPluginNamespace() const noexcept override { return kPluginNamespace; }

  // --- Build

  int32_t getNbOutputs() const noexcept override { return kOutputs; }

  int32_t getOutputDataTypes(DataType *outputs, int32_t output_count, const DataType *,
                             int32_t input_count) const noexcept override {
    if (LevelsOf(input_count) == 0 || output_count != kOutputs) return -1;
    outputs[kDetections] = DataType::kFLOAT;
    outputs[kCounts] = DataType::kINT32;
    return 0;
  }

  int32_t getOutputShapes(const nvinfer1::DimsExprs *inputs, int32_t input_count, const nvinfer1::DimsExprs *, int32_t,
                          nvinfer1::DimsExprs *outputs, int32_t output_count,
                          nvinfer1::IExprBuilder &expressions) noexcept override {
    if (LevelsOf(input_count) == 0 || output_count != kOutputs) return -1;
    for (int32_t i = 0; i < input_count; i++) {
      if (inputs[i].nbDims != (i < input_count - kInputs ? 4 : 2)) return -1;
    }
    const nvinfer1::IDimensionExpr *batch = inputs[0].d[0];
    outputs[kDetections].nbDims = 3;
    outputs[kDetections].d[0] = batch;
    outputs[kDetections].d[1] = expressions.constant(limits_.capacity);
    outputs[kDetections].d[2] = expressions.constant(kDetectionFields);
    outputs[kCounts].nbDims = 2;
    outputs[kCounts].d[0] = batch;
    outputs[kCounts].d[1] = expressions.constant(kCountFields);
    return 0;
  }

  bool supportsFormatCombination(int32_t position, const DynamicPluginTensorDesc *tensors, int32_t input_count,
                                 int32_t output_count) noexcept override {
    if (LevelsOf(input_count) == 0 || output_count != kOutputs) return false;
    const PluginTensorDesc &tensor = tensors[position].desc;
    if (position < input_count - kInputs) {
      const bool is_known =
          tensor.type == DataType::kFLOAT || tensor.type == DataType::kHALF || tensor.type == DataType::kBF16;
      return is_known && tensor.type == tensors[0].desc.type && tensor.format == HeadFormat(tensor.type);
    }
    const DataType type = position == input_count + kCounts ? DataType::kINT32 : DataType::kFLOAT;
    return tensor.format == nvinfer1::TensorFormat::kLINEAR && tensor.type == type;
  }

  int32_t configurePlugin(const DynamicPluginTensorDesc *inputs, int32_t input_count, const DynamicPluginTensorDesc *,
                          int32_t output_count) noexcept override {
    const int32_t levels = LevelsOf(input_count);
    if (levels == 0 || output_count != kOutputs) return -1;
    const auto dims = AllDims(inputs, input_count, [](const auto &input) { return input.desc.dims; });
    return Inputs(dims.data(), inputs[0].desc.type, levels).Fit() ? 0 : -1;
  }

  size_t getWorkspaceSize(const DynamicPluginTensorDesc *inputs, int32_t input_count, const DynamicPluginTensorDesc *,
                          int32_t) const noexcept override {
    const auto dims = AllDims(inputs, input_count, [](const auto &input) { return input.max; });
    const Inputs most(dims.data(), inputs[0].desc.type, LevelsOf(input_count));
    return DetectionsWorkspace(static_cast<int32_t>(most.batch()), most.Shape(limits_));
  }

  const char *getTimingCacheID() noexcept override { return timing_cache_id_.c_str(); }

  // --- Runtime

  int32_t onShapeChange(const PluginTensorDesc *inputs, int32_t input_count, const PluginTensorDesc *,
                        int32_t output_count) noexcept override {
    levels_ = LevelsOf(input_count);
    if (levels_ == 0 || output_count != kOutputs) return -1;
    const auto dims = AllDims(inputs, input_count, [](const auto &input) { return input.dims; });
    return Inputs(dims.data(), inputs[0].type, levels_).Fit() ? 0 : -1;
  }

  int32_t enqueue(const PluginTensorDesc *descriptions, const PluginTensorDesc *, const void *const *inputs,
                  void *const *outputs, void *workspace, cudaStream_t stream) noexcept override {
    if (levels_ == 0) return -1;
    // Asked here, where there surely is a device.
    if (multiprocessors_ == 0 && CountMultiprocessors(&multiprocessors_) != cudaSuccess) return -1;
    const auto dims = AllDims(descriptions, 2 * levels_ + kInputs, [](const auto &input) { return input.dims; });
    const Inputs sizes(dims.data(), descriptions[0].type, levels_);
    const auto input = [&](Input index) { return static_cast<const float *>(inputs[2 * levels_ + index]); };
    DetectionsInputs all{};
    std::copy_n(inputs, levels_, all.box_regression);
    std::copy_n(inputs + levels_, levels_, all.class_logits);
    all.anchors = input(kAnchors);
    all.class_thresholds = input(kClassThresholds);
    all.postprocess = input(kPostprocess);
    const cudaError_t error = LaunchDetections(
        stream, multiprocessors_, static_cast<int32_t>(sizes.batch()), sizes.Shape(limits_), all,
        {static_cast<float *>(outputs[kDetections]), static_cast<int32_t *>(outputs[kCounts])}, workspace);
    return error == cudaSuccess ? 0 : -1;
  }

  /** The copy belongs to the context; this plugin keeps nothing that contexts could not share. */
  nvinfer1::IPluginV3 *attachToContext(nvinfer1::IPluginResourceContext *) noexcept override { return clone(); }

  const PluginFieldCollection *getFieldsToSerialize() noexcept override { return &serialised_; }

 private:
  const Limits limits_;
  /** Levels of each head, once the shapes are known. */
  int32_t levels_ = 0;
  int multiprocessors_ = 0;
  const std::string timing_cache_id_;
  const PluginField fields_[2] = {{"capacity", &limits_.capacity, nvinfer1::PluginFieldType::kINT32, 1},
                                  {"candidates", &limits_.candidates, nvinfer1::PluginFieldType::kINT32, 1}};
  const PluginFieldCollection serialised_{2, fields_};
};

class DetectionsCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  const char *getPluginName() const noexcept override { return kPluginName; }
  const char *getPluginVersion() const noexcept override { return kPluginVersion; }
  const char *getPluginNamespace() const noexcept override { return kPluginNamespace; }

  const PluginFieldCollection *getFieldNames() noexcept override { return &names_; }

  /** Null, which TensorRT reports, for limits that are missing, of another type or out of range. */
  nvinfer1::IPluginV3 *createPlugin(const char *, const PluginFieldCollection *fields,
                                    nvinfer1::TensorRTPhase) noexcept override {
    Limits limits;
    for (int32_t i = 0; i < fields->nbFields; i++) {
      const PluginField &field = fields->fields[i];
      int32_t *limit = std::strcmp(field.name, "capacity") == 0     ? &limits.capacity
                       : std::strcmp(field.name, "candidates") == 0 ? &limits.candidates
                                                                    : nullptr;
      // A parser may hand on what else the node has, such as the plugin's version.
      if (limit == nullptr) continue;
      if (field.type != nvinfer1::PluginFieldType::kINT32 || field.length != 1) return nullptr;
      std::memcpy(limit, field.data, sizeof *limit);
    }
    if (limits.capacity < 1 || limits.candidates < 1 || limits.candidates > kMaxCandidates) return nullptr;
    return new (std::nothrow) DetectionsPlugin(limits);
  }

 private:
  const PluginField fields_[2] = {{"capacity", nullptr, nvinfer1::PluginFieldType::kINT32, 1},
                                  {"candidates", nullptr, nvinfer1::PluginFieldType::kINT32, 1}};
  const PluginFieldCollection names_{2, fields_};
};

/** Never destroyed: registries keep it. */
DetectionsCreator &Creator() {
  static auto *creator = new DetectionsCreator;
  return *creator;
}

}  // namespace

void RegisterDetectionsPlugin(nvinfer1::IPluginRegistry &registry) {
  if (registry.getCreator(kPluginName, kPluginVersion, kPluginNamespace) == &Creator()) return;
  if (!registry.registerCreator(Creator(), kPluginNamespace)) {
    throw Failure{ED_FAILED, std::string(family::kProduct) + " does not take the plugin " + kPluginName +
                                 "; another library of this process may have registered one of that name."};
  }
}

}  // namespace efficientdet

// What TensorRT calls in a library of plugins that another program loads (IPluginRegistry::loadLibrary, trtexec's
// --dynamicPlugins): graphs with our node then run without the rest of this package.

/** The plugin has nothing to log. */
extern "C" ED_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder *) {}

extern "C" ED_EXPORT nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count) {
  static nvinfer1::IPluginCreatorInterface *const creators[] = {&efficientdet::Creator()};
  count = 1;
  return creators;
}
