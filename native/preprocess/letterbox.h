/* Where an image lies in a network's input; for the CPU's code and the CUDA kernels. Twin of lib/image/letterbox.ts. */
#pragma once

#include <algorithm>
#include <cstdint>

/** At the top left, scaled by one factor for both axes. */
struct Letterbox {
  /** Input pixels per source pixel. */
  double scale;
  int32_t width;
  int32_t height;
};

/** Both sides are truncated to whole pixels, as all trainers do, and are at least 1. */
inline Letterbox FitLetterbox(uint32_t width, uint32_t height, uint32_t input_width, uint32_t input_height) {
  const double scale = std::min(input_height / static_cast<double>(height), input_width / static_cast<double>(width));
  return {scale, std::max(1, static_cast<int32_t>(width * scale)), std::max(1, static_cast<int32_t>(height * scale))};
}
