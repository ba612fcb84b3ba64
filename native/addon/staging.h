#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "efficientdet_backend.h"

class StagingPool;

/** Memory for one frame's bytes. Moves; goes back to its pool with its owner. */
class Staging {
 public:
  Staging() = default;
  ~Staging();

  Staging(Staging &&other) noexcept { *this = std::move(other); }
  Staging &operator=(Staging &&other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    return *this;
  }

  /** Null if there was no memory. */
  uint8_t *data() const { return block_.data; }
  /** In bytes. */
  size_t size() const { return size_; }

 private:
  friend class StagingPool;

  struct Block {
    uint8_t *data = nullptr;
    size_t capacity = 0;
    /** Whether it is the backend's; else it is the process's. */
    bool pinned = false;
  };

  std::shared_ptr<StagingPool> pool_;
  Block block_;
  size_t size_ = 0;
};

/**
 * Memory for frames: of a backend, from which its device copies fastest, or of the process, so that a lost device
 * still gets the chance to say so.
 *
 * What frames leave is kept until `Trim`, for fresh memory costs more than filling it. Any thread may use it.
 */
class StagingPool : public std::enable_shared_from_this<StagingPool> {
 public:
  /** Bytes that stay, whatever is needed: a few frames of a camera. */
  static constexpr size_t kKept = size_t{32} << 20;

  StagingPool(const ed_backend *backend, uint32_t device) : backend_(backend), device_(device) {}
  ~StagingPool() { Close(); }

  StagingPool(const StagingPool &) = delete;
  StagingPool &operator=(const StagingPool &) = delete;

  Staging Take(size_t size) {
    Staging staging;
    Staging::Block small;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      used_ += size;
      peak_ = std::max(peak_, used_);
      auto found = spare_.lower_bound(size);
      // One that is too small makes room, so that there are never more than frames were at once.
      if (found == spare_.end() && !spare_.empty()) small = Remove(std::prev(spare_.end()));
      if (found != spare_.end()) staging.block_ = Remove(found);
    }
    Release(small);
    if (staging.block_.data == nullptr) staging.block_ = Allocate(size);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      held_ += staging.block_.capacity;
    }
    staging.pool_ = shared_from_this();
    staging.size_ = size;
    return staging;
  }

  /** Whether `Trim` may give anything back, now or when it is called again. */
  bool HasMoreThanKept() {
    std::lock_guard<std::mutex> lock(mutex_);
    return !spare_.empty() && held_ > kKept;
  }

  /** Gives back what was not needed since the last call, but `kKept` bytes. */
  void Trim() {
    std::vector<Staging::Block> blocks;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (!spare_.empty() && held_ > peak_ + kKept) blocks.push_back(Remove(std::prev(spare_.end())));
      peak_ = used_;
    }
    for (const auto &block : blocks) Release(block);
  }

  /** Gives back all, and from now on whatever comes back, at once. */
  void Close() {
    std::multimap<size_t, Staging::Block> spare;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
      spare.swap(spare_);
    }
    for (const auto &[capacity, block] : spare) Release(block);
  }

 private:
  friend class Staging;

  Staging::Block Allocate(size_t size) const {
    if (auto *data = backend_->allocate(device_, size)) return {data, size, true};
    auto *data = static_cast<uint8_t *>(std::malloc(size));
    return {data, data == nullptr ? 0 : size, false};
  }

  void Release(const Staging::Block &block) const {
    if (block.pinned) {
      backend_->release(device_, block.data);
    } else {
      std::free(block.data);
    }
  }

  /** Takes one of the spare blocks out. Called under the lock. */
  Staging::Block Remove(std::multimap<size_t, Staging::Block>::iterator at) {
    const Staging::Block block = at->second;
    held_ -= block.capacity;
    spare_.erase(at);
    return block;
  }

  void GiveBack(const Staging::Block &block, size_t size) {
    std::unique_lock<std::mutex> lock(mutex_);
    used_ -= size;
    if (closed_ || block.data == nullptr) {
      held_ -= block.capacity;
      lock.unlock();
      Release(block);
    } else {
      spare_.emplace(block.capacity, block);
    }
  }

  const ed_backend *const backend_;
  const uint32_t device_;
  std::mutex mutex_;
  /** By their capacities. */
  std::multimap<size_t, Staging::Block> spare_;
  /** Bytes of all blocks, of the frames that have one now, and the most of these since the last `Trim`. */
  size_t held_ = 0;
  size_t used_ = 0;
  size_t peak_ = 0;
  bool closed_ = false;
};

inline Staging::~Staging() {
  if (pool_ != nullptr) pool_->GiveBack(block_, size_);
}
