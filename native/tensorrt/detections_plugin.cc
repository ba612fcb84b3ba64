#include "detections_plugin.h"

#include <array>
#include <cstring>
#include <new>
#include <string>

#include "detections.h"

namespace efficientdet {

namespace {

using nvinfer1::DataType;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginTensorDesc;

enum Input : int32_t { kBoxRegression, kClassLogits, kAnchors, kClassThresholds, kPostprocess, kInputs };
enum Output : int32_t { kDetections, kCounts, kOutputs };

constexpr int32_t kDefaultCandidates = 5000;

/** The limits, as the plan keeps them. */
struct Limits {
  int32_t capacity = 0;
  int32_t candidates = kDefaultCandidates;
};

/** Sizes of the network that the tensors belong to. Those that are not known yet are -1 or a maximum. */
DetectionsShape ShapeOf(const nvinfer1::Dims &class_logits, const Limits &limits) {
  return {static_cast<int32_t>(class_logits.d[1]), static_cast<int32_t>(class_logits.d[2]), limits.candidates,
          limits.capacity};
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
    if (input_count != kInputs || output_count != kOutputs) return -1;
    outputs[kDetections] = DataType::kFLOAT;
    outputs[kCounts] = DataType::kINT32;
    return 0;
  }

  int32_t getOutputShapes(const nvinfer1::DimsExprs *inputs, int32_t input_count, const nvinfer1::DimsExprs *, int32_t,
                          nvinfer1::DimsExprs *outputs, int32_t output_count,
                          nvinfer1::IExprBuilder &expressions) noexcept override {
    if (input_count != kInputs || output_count != kOutputs) return -1;
    constexpr int32_t kRanks[kInputs] = {3, 3, 2, 2, 2};
    for (int32_t i = 0; i < kInputs; i++) {
      if (inputs[i].nbDims != kRanks[i]) return -1;
    }
    const nvinfer1::IDimensionExpr *batch = inputs[kBoxRegression].d[0];
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
    if (input_count != kInputs || output_count != kOutputs) return false;
    const PluginTensorDesc &tensor = tensors[position].desc;
    const DataType type = position == kInputs + kCounts ? DataType::kINT32 : DataType::kFLOAT;
    return tensor.format == nvinfer1::TensorFormat::kLINEAR && tensor.type == type;
  }

  int32_t configurePlugin(const DynamicPluginTensorDesc *inputs, int32_t input_count, const DynamicPluginTensorDesc *,
                          int32_t output_count) noexcept override {
    if (input_count != kInputs || output_count != kOutputs) return -1;
    std::array<PluginTensorDesc, kInputs> tensors;
    for (int32_t i = 0; i < kInputs; i++) tensors[i] = inputs[i].desc;
    return Fit(tensors.data()) ? 0 : -1;
  }

  size_t getWorkspaceSize(const DynamicPluginTensorDesc *inputs, int32_t, const DynamicPluginTensorDesc *,
                          int32_t) const noexcept override {
    const nvinfer1::Dims &most = inputs[kClassLogits].max;
    return DetectionsWorkspace(static_cast<int32_t>(most.d[0]), ShapeOf(most, limits_));
  }

  const char *getTimingCacheID() noexcept override { return timing_cache_id_.c_str(); }

  // --- Runtime

  int32_t onShapeChange(const PluginTensorDesc *inputs, int32_t input_count, const PluginTensorDesc *,
                        int32_t output_count) noexcept override {
    return input_count == kInputs && output_count == kOutputs && Fit(inputs) ? 0 : -1;
  }

  int32_t enqueue(const PluginTensorDesc *descriptions, const PluginTensorDesc *, const void *const *inputs,
                  void *const *outputs, void *workspace, cudaStream_t stream) noexcept override {
    const auto input = [&](Input index) { return static_cast<const float *>(inputs[index]); };
    const nvinfer1::Dims &logits = descriptions[kClassLogits].dims;
    const cudaError_t error = LaunchDetections(
        stream, static_cast<int32_t>(logits.d[0]), ShapeOf(logits, limits_),
        {input(kBoxRegression), input(kClassLogits), input(kAnchors), input(kClassThresholds), input(kPostprocess)},
        {static_cast<float *>(outputs[kDetections]), static_cast<int32_t *>(outputs[kCounts])}, workspace);
    return error == cudaSuccess ? 0 : -1;
  }

  /** The copy belongs to the context; this plugin keeps nothing that contexts could not share. */
  nvinfer1::IPluginV3 *attachToContext(nvinfer1::IPluginResourceContext *) noexcept override { return clone(); }

  const PluginFieldCollection *getFieldsToSerialize() noexcept override { return &serialised_; }

 private:
  /** Whether the sizes of the inputs, as far as they are known (not -1), belong together. */
  static bool Fit(const PluginTensorDesc *inputs) {
    constexpr int64_t kUnknown = -1;
    const auto size = [&](Input input, int32_t dimension) { return inputs[input].dims.d[dimension]; };
    const auto same = [](int64_t a, int64_t b) { return a == b || a == kUnknown || b == kUnknown; };
    const int64_t batch = size(kBoxRegression, 0);
    const int64_t anchors = size(kAnchors, 0);
    const int64_t classes = size(kClassLogits, 2);
    return same(size(kBoxRegression, 1), anchors) && same(size(kBoxRegression, 2), 4) && same(size(kAnchors, 1), 4) &&
           same(size(kClassLogits, 0), batch) && same(size(kClassLogits, 1), anchors) &&
           same(size(kClassThresholds, 0), batch) && same(size(kClassThresholds, 1), classes) &&
           same(size(kPostprocess, 0), batch) && same(size(kPostprocess, 1), kPostprocessFields);
  }

  const Limits limits_;
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
