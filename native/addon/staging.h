#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "efficientdet_backend.h"

/**
 * Memory for one frame's bytes: of a backend, from which its device copies fastest, or of the process where the backend
 * has none. Then copies take longer, and a device that was lost still gets the chance to say so. Moves; is released
 * with its owner.
 */
class Staging {
 public:
  Staging() = default;
  Staging(const ed_backend *backend, size_t size) : backend_(backend), data_(backend->allocate(size)) {
    if (data_ == nullptr) {
      backend_ = nullptr;
      data_ = static_cast<uint8_t *>(std::malloc(size));
    }
    size_ = data_ == nullptr ? 0 : size;
  }
  ~Staging() {
    if (backend_ != nullptr) {
      backend_->release(data_);
    } else {
      std::free(data_);
    }
  }

  Staging(Staging &&other) noexcept { *this = std::move(other); }
  Staging &operator=(Staging &&other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  /** Null if there was no memory. */
  uint8_t *data() const { return data_; }
  /** In bytes. */
  size_t size() const { return size_; }

 private:
  /** Whose memory it is; null for the process's. */
  const ed_backend *backend_ = nullptr;
  uint8_t *data_ = nullptr;
  size_t size_ = 0;
};
