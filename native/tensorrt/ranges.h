#pragma once

#include <cstdint>

namespace efficientdet {

/**
 * A part of a thread's work as profilers show it (Nsight Systems), while this lives: NVTX's ranges.
 *
 * Nothing happens unless a profiler has brought itself into the process.
 */
class Range {
 public:
  /** A stage of a batch. `name` is a literal. */
  explicit Range(const char *name);
  /** The batch that a context runs. */
  Range(uint32_t context, uint32_t frames);
  // NOLINTNEXTLINE(performance-trivially-destructible): it is not, where there are profilers.
  ~Range();

  Range(const Range &) = delete;
  Range &operator=(const Range &) = delete;
};

}  // namespace efficientdet
