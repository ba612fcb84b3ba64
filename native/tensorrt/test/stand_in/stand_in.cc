/*
 * A stand-in for TensorRT's library, against TensorRT's own headers. It runs engines and cannot build any.
 *
 * Tests without a GPU have it over the stand-in for CUDA; gpu/ has it on GPUs without TensorRT.
 *
 * A plan is text: `stand-in HEIGHT WIDTH ANCHORS CLASSES IMAGES HEADS CAPACITY BATCH...`.
 *
 * - IMAGES, HEADS: their types, 0 for float32, 1 for float16 and 2 for bfloat16, which images cannot be
 * - CAPACITY: the plugin's most detections, or 0 for raw outputs
 * - BATCH: each profile's largest; a single negative one is a fixed batch
 *
 * Its network finds one object by an image's first pixel (r, g, b): anchor r, unchanged, of class g, with logit
 * 2. With b 255, regressions are NaN.
 *
 * Its pyramid's levels, each three quarters of what the ones before have left, tell nothing of the network.
 *
 * After its line, a plan may hold a network's answers in float32 (test/helpers/emulated.ts): for each image kSamples
 * numbers of its input, evenly spaced, box_regression and class_logits.
 *
 * Then an unknown input is answered with NaN, so that whoever prepares or batches images wrongly does not get away
 * with it.
 *
 * As TensorRT does, it waits for the whole device when an engine is loaded and when a context first runs.
 *
 * With TensorRT-RTX's headers it becomes that library, and compiles a kernel when a context first runs.
 */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "cuda_fp16.h"
#include "detections.h"
#include "unimplemented.h"
#if defined(TRT_MAJOR_RTX)
#include "kernel_cache.h"
#endif

namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginTensorDesc;

struct Description {
  int64_t height, width, anchors, classes, images, heads, capacity;
  std::vector<int64_t> batches;

  /** What its heads give; limits are 0. */
  DetectionsShape Heads() const {
    DetectionsShape shape{};
    shape.type = static_cast<HeadType>(heads);
    shape.classes = static_cast<int32_t>(classes);
    shape.anchors_per_cell = anchors % 9 == 0 ? 9 : 1;
    int32_t rest = static_cast<int32_t>(anchors) / shape.anchors_per_cell;
    while (rest > 0) {
      const int32_t cells = shape.levels == 5 ? rest : (3 * rest + 3) / 4;
      shape.cells[shape.levels++] = cells;
      rest -= cells;
    }
    return shape;
  }
};

constexpr int64_t kSamples = 1021;
/** Threads of a block, each of which works for one frame. */
constexpr unsigned kThreads = 128;
/** How far an input may be from the one it is taken for: half of one of 255 greys, and more than float16 rounds. */
constexpr float kTolerance = 0.004f;

struct Tensor {
  std::string name;
  DataType type;
  std::vector<int64_t> sizes;
  bool is_input;
};

Dims DimsOf(const std::vector<int64_t> &sizes) {
  Dims dims{};
  dims.nbDims = static_cast<int32_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), dims.d);
  return dims;
}

class Registry final : public nvinfer1::IPluginRegistry {
 public:
  bool registerCreator(nvinfer1::IPluginCreatorInterface &creator, const char *) noexcept override {
    creators_.push_back(&creator);
    return true;
  }
  nvinfer1::IPluginCreatorInterface *getCreator(const char *name, const char *version,
                                                const char *space) noexcept override {
    for (auto *each : creators_) {
      auto *creator = static_cast<nvinfer1::IPluginCreatorV3One *>(each);
      if (std::string(creator->getPluginName()) == name && std::string(creator->getPluginVersion()) == version &&
          std::string(creator->getPluginNamespace()) == space) {
        return creator;
      }
    }
    return nullptr;
  }

#if !defined(TRT_MAJOR_RTX)
  bool registerCreator(nvinfer1::IPluginCreator &, const char *) noexcept override { return false; }
  nvinfer1::IPluginCreator *const *getPluginCreatorList(int32_t *) const noexcept override { return nullptr; }
  nvinfer1::IPluginCreator *getPluginCreator(const char *, const char *, const char *) noexcept override {
    return nullptr;
  }
  bool deregisterCreator(const nvinfer1::IPluginCreator &) noexcept override { return false; }
#endif
  void setErrorRecorder(nvinfer1::IErrorRecorder *) noexcept override {}
  nvinfer1::IErrorRecorder *getErrorRecorder() const noexcept override { return nullptr; }
  bool isParentSearchEnabled() const override { return false; }
  void setParentSearchEnabled(bool) override {}
  PluginLibraryHandle loadLibrary(const char *) noexcept override { return nullptr; }
  void deregisterLibrary(PluginLibraryHandle) noexcept override {}
  nvinfer1::IPluginCreatorInterface *const *getAllCreators(int32_t *) const noexcept override { return nullptr; }
  bool deregisterCreator(const nvinfer1::IPluginCreatorInterface &) noexcept override { return false; }
  nvinfer1::IPluginResource *acquirePluginResource(const char *, nvinfer1::IPluginResource *) noexcept override {
    return nullptr;
  }
  int32_t releasePluginResource(const char *) noexcept override { return -1; }
  /** Overrides nothing with the headers of 10.3, which have no such function. */
  // NOLINTNEXTLINE(modernize-use-override)
  virtual nvinfer1::IPluginCreatorInterface *const *getAllCreatorsRecursive(int32_t *) noexcept { return nullptr; }

 private:
  std::vector<nvinfer1::IPluginCreatorInterface *> creators_;
};

Registry &TheRegistry() {
  static auto *registry = new Registry;
  return *registry;
}

/** The levels of a batch. */
struct Heads {
  DetectionsShape shape;
  /** Values from a cell to the next. */
  int32_t box_channels, logit_channels;
  void *boxes[kMaxLevels];
  void *logits[kMaxLevels];
};

/** Puts a value where the network's last convolution would. */
__device__ void Put(HeadType type, void *level, int64_t index, float value) {
  if (type == kHeadFloat32) {
    static_cast<float *>(level)[index] = value;
  } else if (type == kHeadFloat16) {
    static_cast<__half *>(level)[index] = __float2half_rn(value);
  } else {
    // What bfloat16 does not hold is cut off.
    static_cast<uint16_t *>(level)[index] = static_cast<uint16_t>(__float_as_uint(value) >> 16);
  }
}

/**
 * Writes a frame's head: what `value` answers for each of its numbers, of so many for each anchor, and infinity where
 * nobody must look.
 *
 * A block's threads share the writing.
 */
template <class Value>
__device__ void Fill(const DetectionsShape &shape, void *const *levels, int64_t channels, int64_t values, int64_t frame,
                     Value value) {
  const int64_t row = values * shape.anchors_per_cell;
  int64_t before = 0;
  for (int32_t level = 0; level < shape.levels; level++) {
    const int64_t cells = shape.cells[level];
    for (int64_t i = threadIdx.x; i < cells * channels; i += kThreads) {
      const int64_t cell = i / channels;
      const int64_t channel = i % channels;
      const float answer = channel < row ? value((before + cell) * row + channel) : INFINITY;
      Put(shape.type, levels[level], frame * cells * channels + i, answer);
    }
    before += cells;
  }
}

/** A batch's images. */
struct Images {
  const void *values;
  bool half;

  __device__ float At(int64_t index) const {
    return half ? __half2float(static_cast<const __half *>(values)[index]) : static_cast<const float *>(values)[index];
  }
};

/** The whole network, one block for each frame. */
__global__ void Answer(Images images, int64_t pixels, int64_t anchors, Heads heads) {
  const auto frame = static_cast<int64_t>(blockIdx.x);
  const auto sample = [&](int64_t channel) { return images.At((frame * 3 + channel) * pixels); };
  const float regression = sample(2) == 255 ? NAN : 0.0f;
  const int64_t classes = heads.shape.classes;
  const auto anchor = static_cast<int64_t>(lroundf(sample(0))) % anchors;
  const auto category = static_cast<int64_t>(lroundf(sample(1))) % classes;
  const int64_t found = anchor * classes + category;
  Fill(heads.shape, heads.boxes, heads.box_channels, 4, frame, [=](int64_t) { return regression; });
  Fill(heads.shape, heads.logits, heads.logit_channels, classes, frame,
       [=](int64_t index) { return index == found ? 2.0f : -10.0f; });
}

/** Real networks' answers in device memory, one after another, each after the samples of its input. */
struct Known {
  const float *answers;
  int64_t count;
  /** Numbers of an input, of regressions and of logits. */
  int64_t inputs, boxes, scores;
};

/** A network that knows the answers, one block for each frame. */
__global__ void Recall(Images images, Known known, Heads heads) {
  __shared__ float distances[kThreads];
  const auto frame = static_cast<int64_t>(blockIdx.x);
  const float *found = nullptr;
  float nearest = kTolerance;
  const float *each = known.answers;
  for (int64_t k = 0; k < known.count; k++, each += kSamples + known.boxes + known.scores) {
    float distance = 0;
    for (int64_t i = threadIdx.x; i < kSamples; i += kThreads) {
      const int64_t index = frame * known.inputs + i * known.inputs / kSamples;
      distance = fmaxf(distance, fabsf(images.At(index) - each[i]));
    }
    distances[threadIdx.x] = distance;
    __syncthreads();
    for (const float other : distances) distance = fmaxf(distance, other);
    __syncthreads();
    if (distance >= nearest) continue;
    nearest = distance;
    found = each + kSamples;
  }
  const float *scores = found == nullptr ? nullptr : found + known.boxes;
  Fill(heads.shape, heads.boxes, heads.box_channels, 4, frame,
       [=](int64_t i) { return found == nullptr ? NAN : found[i]; });
  Fill(heads.shape, heads.logits, heads.logit_channels, heads.shape.classes, frame,
       [=](int64_t i) { return scores == nullptr ? -10.0f : scores[i]; });
}

class Engine;

class Context final : public nvinfer1::UnimplementedVExecutionContext {
 public:
  explicit Context(const Engine &engine) : engine_(engine) {}

  const nvinfer1::ICudaEngine &getEngine() const noexcept override;
  void setDeviceMemoryV2(void *memory, int64_t size) noexcept override {
    memory_ = memory;
    memory_size_ = size;
  }
  bool setOptimizationProfileAsync(int32_t profile, cudaStream_t) noexcept override;
  bool setInputShape(const char *name, const Dims &dims) noexcept override;
  bool setTensorAddress(const char *name, void *data) noexcept override;
  bool enqueueV3(cudaStream_t stream) noexcept override;

#if defined(TRT_MAJOR_RTX)
  void UseKernels(KernelCache &kernels) { kernels_ = &kernels; }
#endif

 private:
  bool MayChange() const;
  bool EnqueuePlugin(cudaStream_t stream, int64_t batch, const Heads &heads, uint8_t *rest);

  const Engine &engine_;
  void *memory_ = nullptr;
  int64_t memory_size_ = 0;
  int32_t profile_ = 0;
  cudaStream_t stream_ = nullptr;
  bool has_run_ = false;
#if defined(TRT_MAJOR_RTX)
  KernelCache *kernels_ = nullptr;
#endif
  std::map<std::string, Dims> shapes_;
  std::map<std::string, void *> addresses_;
  std::unique_ptr<nvinfer1::IPluginV3> plugin_;
};

class PublicContext final : public nvinfer1::IExecutionContext {
 public:
  explicit PublicContext(const Engine &engine) : context_(engine) { mImpl = &context_; }

  Context &context() { return context_; }

 private:
  Context context_;
};

class Engine final : public nvinfer1::UnimplementedVCudaEngine {
 public:
  /** @param answers what `Known` says, or none */
  Engine(const Description &description, const std::vector<float> &answers, const nvinfer1::ICudaEngine &self)
      : description_(description), self_(self) {
    const int64_t batch = description.batches[0] < 0 ? -description.batches[0] : -1;
    const DataType images = description.images == kHeadFloat16 ? DataType::kHALF : DataType::kFLOAT;
    tensors_.push_back({"images", images, {batch, 3, description.height, description.width}, true});
    if (description.capacity > 0) {
      tensors_.push_back({"class_thresholds", DataType::kFLOAT, {batch, description.classes}, true});
      tensors_.push_back({"postprocess", DataType::kFLOAT, {batch, 8}, true});
      tensors_.push_back({"detections", DataType::kFLOAT, {batch, description.capacity, 6}, false});
      tensors_.push_back({"counts", DataType::kINT32, {batch, 4}, false});
    } else {
      const DetectionsShape heads = description.Heads();
      for (const char *head : {"box_regression", "class_logits"}) {
        const bool is_boxes = std::string(head) == "box_regression";
        const int64_t channels = is_boxes ? heads.box_channels() : heads.logit_channels();
        for (int32_t level = 0; level < heads.levels; level++) {
          tensors_.push_back({std::string(head) + "/p" + std::to_string(level + 3),
                              type_of_heads(),
                              {batch, channels, 1, heads.cells[level]},
                              false});
        }
      }
    }
    if (description.capacity > 0) {
      // The plugin's third input, a constant: squares of 8 pixels, one beside the other.
      std::vector<float> anchors;
      for (int64_t i = 0; i < description.anchors; i++) {
        anchors.insert(anchors.end(), {4, static_cast<float>(8 * i + 4), 8, 8});
      }
      anchors_ = Upload(anchors);
    }
    known_.inputs = 3 * description.height * description.width;
    known_.boxes = description.anchors * 4;
    known_.scores = description.anchors * description.classes;
    known_.count = static_cast<int64_t>(answers.size()) / (kSamples + known_.boxes + known_.scores);
    if (known_.count > 0) known_.answers = answers_ = Upload(answers);
  }
  ~Engine() override {
    if (anchors_ != nullptr) cudaFree(anchors_);
    if (answers_ != nullptr) cudaFree(answers_);
  }

  int32_t getNbIOTensors() const noexcept override { return static_cast<int32_t>(tensors_.size()); }
  const char *getIOTensorName(int32_t index) const noexcept override {
    return tensors_[static_cast<size_t>(index)].name.c_str();
  }
  DataType getTensorDataType(const char *name) const noexcept override { return Find(name)->type; }
  Dims getTensorShape(const char *name) const noexcept override { return DimsOf(Find(name)->sizes); }
  nvinfer1::TensorFormat getTensorFormat(const char *name) const noexcept override {
    const Tensor *tensor = Find(name);
    if (tensor->is_input || tensor->sizes.size() != 4) return nvinfer1::TensorFormat::kLINEAR;
    return format_of_heads();
  }
  int32_t getNbOptimizationProfiles() const noexcept override {
    return static_cast<int32_t>(description_.batches.size());
  }
  Dims getProfileShape(const char *name, int32_t profile, nvinfer1::OptProfileSelector) const noexcept override {
    Dims dims = getTensorShape(name);
    dims.d[0] = description_.batches[static_cast<size_t>(profile)];
    return dims;
  }
  int64_t getDeviceMemorySizeV2() const noexcept override {
    // Raw outputs, and what the plugin works in.
    const int64_t batch = std::abs(description_.batches.back());
    const DetectionsShape heads = description_.Heads();
    int64_t cells = 0;
    for (int32_t level = 0; level < heads.levels; level++) cells += heads.cells[level];
    return batch * cells * (heads.box_channels() + heads.logit_channels()) * BytesOf(heads.type) + (int64_t{32} << 20);
  }
  nvinfer1::IExecutionContext *createExecutionContext(
      nvinfer1::ExecutionContextAllocationStrategy strategy) noexcept override {
    if (strategy != nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED) return nullptr;
    return new (std::nothrow) PublicContext(*this);
  }
#if defined(TRT_MAJOR_RTX)
  nvinfer1::IRuntimeConfig *createRuntimeConfig() noexcept override { return new (std::nothrow) PublicRuntimeConfig; }
  nvinfer1::IExecutionContext *createExecutionContextWithRuntimeConfig(
      nvinfer1::IRuntimeConfig *config) noexcept override {
    auto *made = static_cast<PublicContext *>(createExecutionContext(config->getExecutionContextAllocationStrategy()));
    if (made != nullptr && config->getRuntimeCache() != nullptr) {
      made->context().UseKernels(static_cast<PublicKernelCache *>(config->getRuntimeCache())->cache());
    }
    return made;
  }
#endif

  const Tensor *Find(const std::string &name) const {
    for (const Tensor &tensor : tensors_) {
      if (name == tensor.name) return &tensor;
    }
    return nullptr;
  }

  DataType type_of_heads() const {
    return description_.heads == kHeadFloat16    ? DataType::kHALF
           : description_.heads == kHeadBfloat16 ? DataType::kBF16
                                                 : DataType::kFLOAT;
  }
  nvinfer1::TensorFormat format_of_heads() const {
    return description_.heads == kHeadFloat32 ? nvinfer1::TensorFormat::kHWC : nvinfer1::TensorFormat::kHWC8;
  }

  const Description description_;
  const nvinfer1::ICudaEngine &self_;
  std::vector<Tensor> tensors_;
  float *anchors_ = nullptr;
  float *answers_ = nullptr;
  Known known_{};
  cudaError_t error_ = cudaSuccess;

 private:
  float *Upload(const std::vector<float> &values) {
    float *memory = nullptr;
    const size_t size = values.size() * sizeof(float);
    if (error_ == cudaSuccess) error_ = cudaMalloc(&memory, size);
    if (error_ == cudaSuccess) error_ = cudaMemcpy(memory, values.data(), size, cudaMemcpyHostToDevice);
    return memory;
  }
};

class PublicEngine final : public nvinfer1::ICudaEngine {
 public:
  PublicEngine(const Description &description, const std::vector<float> &answers)
      : engine_(description, answers, *this) {
    mImpl = &engine_;
  }

  cudaError_t error() const { return engine_.error_; }

 private:
  Engine engine_;
};

const nvinfer1::ICudaEngine &Context::getEngine() const noexcept { return engine_.self_; }

/** Tensors are told before a capture: what TensorRT does about other ones, a graph need not have. */
bool Context::MayChange() const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(stream_, &status) == cudaSuccess && status == cudaStreamCaptureStatusNone;
}

bool Context::setOptimizationProfileAsync(int32_t profile, cudaStream_t stream) noexcept {
  if (profile < 0 || profile >= engine_.getNbOptimizationProfiles()) return false;
  profile_ = profile;
  stream_ = stream;
  return true;
}

bool Context::setInputShape(const char *name, const Dims &dims) noexcept {
  const Tensor *tensor = engine_.Find(name);
  const auto &batches = engine_.description_.batches;
  const int64_t most = std::abs(batches[static_cast<size_t>(profile_)]);
  const int64_t least = profile_ == 0 ? 1 : batches[static_cast<size_t>(profile_) - 1] + 1;
  const bool may = tensor != nullptr && MayChange() && tensor->is_input && dims.d[0] >= least && dims.d[0] <= most;
  if (may) shapes_[name] = dims;
  return may;
}

bool Context::setTensorAddress(const char *name, void *data) noexcept {
  const bool may = engine_.Find(name) != nullptr && data != nullptr && MayChange();
  if (may) addresses_[name] = data;
  return may;
}

bool Context::enqueueV3(cudaStream_t stream) noexcept {
  for (const Tensor &tensor : engine_.tensors_) {
    if (addresses_.count(tensor.name) == 0 || (tensor.is_input && shapes_.count(tensor.name) == 0)) return false;
  }
  if (memory_ == nullptr || memory_size_ < engine_.getDeviceMemorySizeV2()) return false;
  if (!has_run_ && cudaDeviceSynchronize() != cudaSuccess) return false;
#if defined(TRT_MAJOR_RTX)
  if (!has_run_ && kernels_ != nullptr) kernels_->Compile("batch of " + std::to_string(shapes_["images"].d[0]));
#endif
  has_run_ = true;
  const Description &description = engine_.description_;
  const int64_t batch = shapes_["images"].d[0];
  const bool has_plugin = description.capacity > 0;
  const DetectionsShape shape = description.Heads();
  Heads heads{shape, shape.box_channels(), shape.logit_channels(), {}, {}};
  // The plugin's inputs lie in what layers work in.
  auto *rest = static_cast<uint8_t *>(memory_);
  const auto place = [&](const char *head, int32_t level, int32_t channels) -> void * {
    if (!has_plugin) return addresses_[std::string(head) + "/p" + std::to_string(level + 3)];
    void *begin = rest;
    rest += batch * heads.shape.cells[level] * channels * BytesOf(heads.shape.type);
    rest += (256 - reinterpret_cast<uintptr_t>(rest) % 256) % 256;
    return begin;
  };
  for (int32_t level = 0; level < heads.shape.levels; level++) {
    heads.boxes[level] = place("box_regression", level, heads.box_channels);
    heads.logits[level] = place("class_logits", level, heads.logit_channels);
  }

  cudaLaunchConfig_t config{};
  config.gridDim = static_cast<unsigned>(batch);
  config.blockDim = kThreads;
  config.stream = stream;
  const Images images{addresses_["images"], description.images == kHeadFloat16};
  const cudaError_t error = engine_.known_.count == 0
                                ? cudaLaunchKernelEx(&config, Answer, images, description.height * description.width,
                                                     description.anchors, heads)
                                : cudaLaunchKernelEx(&config, Recall, images, engine_.known_, heads);
  if (error != cudaSuccess) return false;
  return !has_plugin || EnqueuePlugin(stream, batch, heads, rest);
}

bool Context::EnqueuePlugin(cudaStream_t stream, int64_t batch, const Heads &heads, uint8_t *rest) {
  const Description &description = engine_.description_;
  if (plugin_ == nullptr) {
    auto *creator = static_cast<nvinfer1::IPluginCreatorV3One *>(
        TheRegistry().getCreator("EfficientDetDetections", "2", "efficientdet"));
    const auto capacity = static_cast<int32_t>(description.capacity);
    const nvinfer1::PluginField field{"capacity", &capacity, nvinfer1::PluginFieldType::kINT32, 1};
    const PluginFieldCollection fields{1, &field};
    plugin_.reset(creator->createPlugin("detections", &fields, nvinfer1::TensorRTPhase::kRUNTIME));
    if (plugin_ == nullptr) return false;
  }
  auto &runtime = *static_cast<nvinfer1::IPluginV3OneRuntime *>(
      plugin_->getCapabilityInterface(nvinfer1::PluginCapabilityType::kRUNTIME));
  auto &build = *static_cast<nvinfer1::IPluginV3OneBuild *>(
      plugin_->getCapabilityInterface(nvinfer1::PluginCapabilityType::kBUILD));
  const DetectionsShape &shape = heads.shape;
  std::vector<std::vector<int64_t>> sizes;
  std::vector<const void *> inputs;
  for (const bool is_boxes : {true, false}) {
    for (int32_t level = 0; level < shape.levels; level++) {
      const int64_t channels = is_boxes ? shape.box_channels() : shape.logit_channels();
      sizes.push_back({batch, channels, 1, shape.cells[level]});
      inputs.push_back((is_boxes ? heads.boxes : heads.logits)[level]);
    }
  }
  const auto level_count = inputs.size();
  sizes.insert(sizes.end(), {{description.anchors, 4},
                             {batch, description.classes},
                             {batch, 8},
                             {batch, description.capacity, 6},
                             {batch, 4}});
  inputs.insert(inputs.end(), {engine_.anchors_, addresses_["class_thresholds"], addresses_["postprocess"]});
  std::vector<PluginTensorDesc> tensors;
  std::vector<nvinfer1::DynamicPluginTensorDesc> dynamic;
  for (const auto &each : sizes) {
    PluginTensorDesc tensor{};
    tensor.dims = DimsOf(each);
    if (tensors.size() < level_count) {
      tensor.type = engine_.type_of_heads();
      tensor.format = engine_.format_of_heads();
    }
    tensors.push_back(tensor);
    dynamic.push_back({tensor, tensor.dims, tensor.dims, tensor.dims});
  }
  const auto count = static_cast<int32_t>(inputs.size());
  if (runtime.onShapeChange(tensors.data(), count, tensors.data() + count, 2) != 0) return false;
  const auto begin = reinterpret_cast<uintptr_t>(memory_);
  const auto workspace = reinterpret_cast<uintptr_t>(rest);
  const size_t needed = build.getWorkspaceSize(dynamic.data(), count, dynamic.data() + count, 2);
  if (workspace + needed > begin + static_cast<uintptr_t>(memory_size_)) return false;
  void *outputs[] = {addresses_["detections"], addresses_["counts"]};
  return runtime.enqueue(tensors.data(), tensors.data() + count, inputs.data(), outputs,
                         reinterpret_cast<void *>(workspace), stream) == 0;
}

class Runtime final : public nvinfer1::UnimplementedVRuntime {
 public:
  explicit Runtime(nvinfer1::ILogger &logger) : logger_(logger) {}

  void setEngineHostCodeAllowed(bool allowed) noexcept override { is_host_code_allowed_ = allowed; }

  nvinfer1::ICudaEngine *deserializeCudaEngine(const void *blob, size_t size) noexcept override {
    const auto *begin = static_cast<const char *>(blob);
    const char *line_end = std::find(begin, begin + size, '\n');
    std::istringstream text(std::string(begin, line_end));
    std::string magic;
    Description d{};
    text >> magic >> d.height >> d.width >> d.anchors >> d.classes >> d.images >> d.heads >> d.capacity;
    for (int64_t batch; text >> batch;) d.batches.push_back(batch);
    const bool has_host_code = magic == "stand-in-with-host-code";
    if (has_host_code && !is_host_code_allowed_) {
      logger_.log(nvinfer1::ILogger::Severity::kERROR, "Host code is not allowed");
      return nullptr;
    }
    bool is_plan = (magic == "stand-in" || has_host_code) && !d.batches.empty();
    std::vector<float> answers;
    if (is_plan && line_end != begin + size) {
      const auto bytes = static_cast<size_t>(begin + size - (line_end + 1));
      const auto each = static_cast<size_t>(kSamples + d.anchors * (4 + d.classes)) * sizeof(float);
      is_plan = bytes > 0 && bytes % each == 0;
      answers.resize(bytes / sizeof(float));
      std::memcpy(answers.data(), line_end + 1, bytes);
    }
    if (!is_plan) {
      logger_.log(nvinfer1::ILogger::Severity::kERROR, "Serialization assertion failed: this is no plan");
      return nullptr;
    }
    auto engine = std::make_unique<PublicEngine>(d, answers);
    cudaError_t error = engine->error();
    if (error == cudaSuccess) error = cudaDeviceSynchronize();
    if (error == cudaSuccess) return engine.release();
    logger_.log(nvinfer1::ILogger::Severity::kERROR, cudaGetErrorString(error));
    return nullptr;
  }

 private:
  bool is_host_code_allowed_ = false;
  nvinfer1::ILogger &logger_;
};

class PublicRuntime final : public nvinfer1::IRuntime {
 public:
  explicit PublicRuntime(nvinfer1::ILogger &logger) : runtime_(logger) { mImpl = &runtime_; }

 private:
  Runtime runtime_;
};

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int32_t getInferLibVersion() noexcept { return NV_TENSORRT_VERSION; }

__attribute__((visibility("default"))) nvinfer1::IPluginRegistry *getPluginRegistry() noexcept {
  return &TheRegistry();
}

/** As later versions have it: where the builder would look for its libraries. */
__attribute__((visibility("default"))) char internal_library_path[4096] = "";
__attribute__((visibility("default"))) bool setInternalLibraryPath(const char *path) noexcept {
  std::snprintf(internal_library_path, sizeof internal_library_path, "%s", path);
  return true;
}

__attribute__((visibility("default"))) void *createInferBuilder_INTERNAL(void *, int32_t) noexcept { return nullptr; }

__attribute__((visibility("default"))) void *createInferRuntime_INTERNAL(void *logger, int32_t version) noexcept {
  if (version != NV_TENSORRT_VERSION) return nullptr;
  return static_cast<nvinfer1::IRuntime *>(new (std::nothrow) PublicRuntime(*static_cast<nvinfer1::ILogger *>(logger)));
}
}
