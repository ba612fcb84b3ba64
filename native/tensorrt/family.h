#pragma once

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "failure.h"

/**
 * All in which TensorRT 10, 11 and TensorRT-RTX differ for us. Their classes have different layouts, so the same
 * source becomes a library for each, as the headers say.
 */
namespace efficientdet::family {

#if defined(TRT_MAJOR_RTX)

inline constexpr const char *kName = "tensorrt-rtx";
inline constexpr const char *kProduct = "TensorRT-RTX 1";
inline constexpr int32_t kMajor = 1;
/** What runs engines, and what reads ONNX files. */
inline constexpr const char *kLibrary = "libtensorrt_rtx.so.1";
inline constexpr const char *kParserLibrary = "libtensorrt_onnxparser_rtx.so.1";
/** Whether it builds for named compute capabilities, and then with no device. */
inline constexpr bool kBuildsForTargets = true;
/** Whether engines can be made to run with later libraries and devices, and may contain plugins. */
inline constexpr bool kHasCompatibleEngines = false;
inline constexpr bool kHasPlugins = false;

#elif NV_TENSORRT_MAJOR == 10 || NV_TENSORRT_MAJOR == 11

inline constexpr int32_t kMajor = NV_TENSORRT_MAJOR;
#if NV_TENSORRT_MAJOR == 10
inline constexpr const char *kName = "tensorrt10";
inline constexpr const char *kProduct = "TensorRT 10";
inline constexpr const char *kLibrary = "libnvinfer.so.10";
inline constexpr const char *kParserLibrary = "libnvonnxparser.so.10";
#else
inline constexpr const char *kName = "tensorrt11";
inline constexpr const char *kProduct = "TensorRT 11";
inline constexpr const char *kLibrary = "libnvinfer.so.11";
inline constexpr const char *kParserLibrary = "libnvonnxparser.so.11";
#endif
inline constexpr bool kBuildsForTargets = false;
inline constexpr bool kHasCompatibleEngines = true;
inline constexpr bool kHasPlugins = true;

#else
#error "TensorRT's headers are of none of the families 10, 11 and RTX 1"
#endif

/**
 * The oldest version, as getInferLibVersion tells it, whose classes are known to begin as those of our headers do:
 * within 10 and 11, later versions only append to them.
 */
inline constexpr int32_t kOldest = kMajor == 10 ? 100300 : kMajor == 11 ? 110000 : NV_TENSORRT_VERSION;

/** Each tensor has the type that the graph gives it, everywhere: 10 has to be told. */
inline constexpr nvinfer1::NetworkDefinitionCreationFlags kNetworkFlags =
#if NV_TENSORRT_MAJOR == 10 && !defined(TRT_MAJOR_RTX)
    1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#else
    0;
#endif

#if defined(TRT_MAJOR_RTX)

/**
 * Says for which compute capabilities (10·major + minor; none for the current device) to build.
 * @throws Failure ED_INVALID for one that it does not know.
 */
inline void SetTargets(nvinfer1::IBuilderConfig &config, const std::vector<uint32_t> &targets) {
  using nvinfer1::ComputeCapability;
  if (targets.empty()) {
    config.setNbComputeCapabilities(1);
    config.setComputeCapability(ComputeCapability::kCURRENT, 0);
    return;
  }
  constexpr ComputeCapability kKnown[] = {ComputeCapability::kSM75,  ComputeCapability::kSM80,
                                          ComputeCapability::kSM86,  ComputeCapability::kSM89,
                                          ComputeCapability::kSM120, ComputeCapability::kSM121};
  config.setNbComputeCapabilities(static_cast<int32_t>(targets.size()));
  for (size_t i = 0; i < targets.size(); i++) {
    std::string known;
    bool set = false;
    for (const ComputeCapability capability : kKnown) {
      const auto number = static_cast<uint32_t>(capability);
      if (number == targets[i]) set = config.setComputeCapability(capability, static_cast<int32_t>(i));
      known += (known.empty() ? "" : ", ") + std::to_string(number);
    }
    if (!set) {
      throw Failure{ED_INVALID, std::string(kProduct) + " does not build for compute capability " +
                                    std::to_string(targets[i]) + ", but for " + known + "."};
    }
  }
}

/** There is none: TensorRT-RTX measures when an engine is loaded. */
struct TimingCache {
  nvinfer1::IHostMemory *serialize() const { return nullptr; }
};

inline std::unique_ptr<TimingCache> SetTimingCache(nvinfer1::IBuilderConfig &, const std::vector<uint8_t> &) {
  return nullptr;
}

/** Has engines allocate nothing while they run, for what does cannot be captured into a graph. */
inline void RequireCapture(nvinfer1::IBuilderConfig &config) {
  config.setFlag(nvinfer1::BuilderFlag::kREQUIRE_USER_ALLOCATION);
}

/**
 * Makes an engine's contexts, which are given the memory to work in. It must outlive them.
 *
 * They compile kernels for a batch's size when it first runs: 284 for a D0, 812 for a D7x. One cache has those of all
 * contexts.
 */
class Contexts {
 public:
  /** @param kernels that an earlier one compiled, or null; those that do not fit are ignored */
  Contexts(nvinfer1::ICudaEngine &engine, const uint8_t *kernels, size_t size)
      : engine_(engine), config_(engine.createRuntimeConfig()) {
    if (config_ == nullptr) return;
    cache_.reset(config_->createRuntimeCache());
    if (cache_ != nullptr) {
      if (size > 0 && cache_->deserialize(kernels, size)) known_.assign(kernels, kernels + size);
      config_->setRuntimeCache(*cache_);
    }
    config_->setExecutionContextAllocationStrategy(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED);
    // Else the kernels for a batch's size are compiled aside while it runs with slower ones, and a graph that is
    // captured meanwhile keeps those.
    config_->setDynamicShapesKernelSpecializationStrategy(nvinfer1::DynamicShapesKernelSpecializationStrategy::kEAGER);
  }

  /** Null if TensorRT makes none. */
  nvinfer1::IExecutionContext *Make() {
    return config_ == nullptr ? nullptr : engine_.createExecutionContext(config_.get());
  }

  /** All kernels that were compiled until now; null if they are those that were given. */
  std::unique_ptr<nvinfer1::IHostMemory> CompiledKernels() const {
    std::unique_ptr<nvinfer1::IHostMemory> kernels(cache_ == nullptr ? nullptr : cache_->serialize());
    if (kernels == nullptr || kernels->size() == 0) return nullptr;
    const auto *bytes = static_cast<const uint8_t *>(kernels->data());
    return std::equal(bytes, bytes + kernels->size(), known_.begin(), known_.end()) ? nullptr : std::move(kernels);
  }

 private:
  nvinfer1::ICudaEngine &engine_;
  std::unique_ptr<nvinfer1::IRuntimeCache> cache_;
  const std::unique_ptr<nvinfer1::IRuntimeConfig> config_;
  std::vector<uint8_t> known_;
};

#else

/** There are none to set: they build for the current device. */
inline void SetTargets(nvinfer1::IBuilderConfig &, const std::vector<uint32_t> &) {}

using TimingCache = nvinfer1::ITimingCache;

/**
 * Has a build use what earlier builds measured, if that fits, and note its own. The cache must outlive the building;
 * null if TensorRT makes none.
 */
inline std::unique_ptr<TimingCache> SetTimingCache(nvinfer1::IBuilderConfig &config,
                                                   const std::vector<uint8_t> &earlier) {
  for (const size_t size : {earlier.size(), size_t{0}}) {
    std::unique_ptr<TimingCache> cache(config.createTimingCache(earlier.data(), size));
    if (cache != nullptr && config.setTimingCache(*cache, false)) return cache;
  }
  return nullptr;
}

/** They do as they are. */
inline void RequireCapture(nvinfer1::IBuilderConfig &) {}

/** Makes an engine's contexts, which are given the memory to work in. It must outlive them. */
class Contexts {
 public:
  Contexts(nvinfer1::ICudaEngine &engine, const uint8_t *, size_t) : engine_(engine) {}

  /** Null if TensorRT makes none. */
  nvinfer1::IExecutionContext *Make() {
    return engine_.createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED);
  }

  /** Theirs are in the engine. */
  std::unique_ptr<nvinfer1::IHostMemory> CompiledKernels() const { return nullptr; }

 private:
  nvinfer1::ICudaEngine &engine_;
};

#endif

}  // namespace efficientdet::family
