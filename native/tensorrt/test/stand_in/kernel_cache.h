/* TensorRT-RTX's kernels, which are compiled when a context first runs, and the cache that keeps them. */
#ifndef EFFICIENTDET_STAND_IN_KERNEL_CACHE_H
#define EFFICIENTDET_STAND_IN_KERNEL_CACHE_H

#include <cstring>
#include <mutex>
#include <new>
#include <set>
#include <string>

#include "unimplemented.h"

extern "C" {
/** Kernels that were compiled in this process. */
__attribute__((visibility("default"))) inline int compiled_kernels = 0;
}

class KernelCache final : public nvinfer1::UnimplementedVRuntimeCache {
 public:
  nvinfer1::IHostMemory *serialize() const noexcept override;
  bool deserialize(const void *blob, size_t size) noexcept override {
    const std::string text(static_cast<const char *>(blob), size);
    if (text.rfind(kMagic, 0) != 0) return false;
    for (size_t at = std::strlen(kMagic); at < size; at = text.find('\n', at) + 1) {
      kernels_.insert(text.substr(at, text.find('\n', at) - at));
    }
    return true;
  }

  /** Contexts of an engine may first run on several threads. */
  void Compile(const std::string &kernel) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (kernels_.insert(kernel).second) compiled_kernels++;
  }

 private:
  static constexpr const char *kMagic = "stand-in's kernels\n";

  mutable std::mutex mutex_;
  std::set<std::string> kernels_;
};

class PublicHostMemory final : public nvinfer1::IHostMemory {
 public:
  explicit PublicHostMemory(std::string text) : memory_(std::move(text)) { mImpl = &memory_; }

 private:
  class Memory final : public nvinfer1::UnimplementedVHostMemory {
   public:
    explicit Memory(std::string text) : text_(std::move(text)) {}
    void *data() const noexcept override { return const_cast<char *>(text_.data()); }
    size_t size() const noexcept override { return text_.size(); }

   private:
    const std::string text_;
  } memory_;
};

inline nvinfer1::IHostMemory *KernelCache::serialize() const noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string text = kMagic;
  for (const std::string &kernel : kernels_) text += kernel + "\n";
  return new (std::nothrow) PublicHostMemory(text);
}

class PublicKernelCache final : public nvinfer1::IRuntimeCache {
 public:
  PublicKernelCache() { mImpl = &cache_; }

  KernelCache &cache() const { return cache_; }

 private:
  mutable KernelCache cache_;
};

class RuntimeConfig final : public nvinfer1::UnimplementedVRuntimeConfig {
 public:
  void setExecutionContextAllocationStrategy(nvinfer1::ExecutionContextAllocationStrategy strategy) noexcept override {
    strategy_ = strategy;
  }
  nvinfer1::ExecutionContextAllocationStrategy getExecutionContextAllocationStrategy() const noexcept override {
    return strategy_;
  }
  void setDynamicShapesKernelSpecializationStrategy(
      nvinfer1::DynamicShapesKernelSpecializationStrategy) noexcept override {}
  nvinfer1::IRuntimeCache *createRuntimeCache() const noexcept override { return new (std::nothrow) PublicKernelCache; }
  bool setRuntimeCache(const nvinfer1::IRuntimeCache &cache) noexcept override {
    cache_ = const_cast<nvinfer1::IRuntimeCache *>(&cache);
    return true;
  }
  nvinfer1::IRuntimeCache *getRuntimeCache() const noexcept override { return cache_; }

 private:
  nvinfer1::ExecutionContextAllocationStrategy strategy_ = nvinfer1::ExecutionContextAllocationStrategy::kSTATIC;
  nvinfer1::IRuntimeCache *cache_ = nullptr;
};

class PublicRuntimeConfig final : public nvinfer1::IRuntimeConfig {
 public:
  PublicRuntimeConfig() { mImpl = &config_; }

 private:
  RuntimeConfig config_;
};

#endif
