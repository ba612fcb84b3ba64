#pragma once

#include <cstdint>
#include <mutex>
#include <shared_mutex>

#include "efficientdet_backend.h"

namespace efficientdet {

/**
 * One for each device and process, whichever of our libraries are in it: with default visibility, GCC makes such
 * variables unique in a process.
 */
__attribute__((visibility("default"))) inline std::shared_mutex capture_mutexes[ED_MAX_DEVICES];

/**
 * Held by whoever may wait for a whole device, as TensorRT does when it builds, loads and runs for the first time.
 *
 * While any stream of the device is captured, in whichever mode, that fails, and spoils the capture.
 */
class DeviceWork : public std::shared_lock<std::shared_mutex> {
 public:
  explicit DeviceWork(uint32_t device)
      : std::shared_lock<std::shared_mutex>(capture_mutexes[device % ED_MAX_DEVICES]) {}
};

/** Held by whoever captures, if it was free: a build takes minutes, and batches need no graph. */
class CaptureTurn : public std::unique_lock<std::shared_mutex> {
 public:
  explicit CaptureTurn(uint32_t device)
      : std::unique_lock<std::shared_mutex>(capture_mutexes[device % ED_MAX_DEVICES], std::try_to_lock) {}
};

}  // namespace efficientdet
