#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "frame_copy.h"

/** A copy that two threads make together, chunk by chunk: one that needs it, and one that helps if it has time. */
class SharedCopy {
 public:
  SharedCopy(uint8_t *to, const uint8_t *from, size_t size) : to_(to), from_(from), size_(size) {}

  /** Small ones are done before anybody has woken up. */
  bool IsWorthHelp() const { return size_ > 2 * kChunk; }

  /** Copies chunks until none is left. */
  void Work() {
    for (size_t begin; (begin = next_.fetch_add(kChunk, std::memory_order_relaxed)) < size_;) {
      CopyFrame(to_ + begin, from_ + begin, std::min(kChunk, size_ - begin));
    }
  }

  /** As `Work`, on the other thread. This may be gone afterwards. */
  void Help() {
    Work();
    helped_.store(true, std::memory_order_release);
  }

  /** Waits for the helper's last chunk: some microseconds. */
  void WaitForHelp() const {
    while (!helped_.load(std::memory_order_acquire)) std::this_thread::yield();
  }

 private:
  static constexpr size_t kChunk = size_t{128} << 10;

  uint8_t *to_;
  const uint8_t *from_;
  size_t size_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> helped_{false};
};
