/* Heads as a network's last convolutions leave them, for tests. */
#ifndef EFFICIENTDET_TEST_HEAD_LEVELS_H
#define EFFICIENTDET_TEST_HEAD_LEVELS_H

#include <cuda_fp16.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "detections.h"

/** The bits of a number in a head's type. Rounds to nearest: ties to even for float16, up for bfloat16. */
inline uint32_t HeadBitsOf(HeadType type, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (type == kHeadFloat32) return bits;
  if (type == kHeadFloat16) return __half_as_ushort(__float2half_rn(value));
  return (std::isfinite(value) ? bits + 0x8000 : bits) >> 16;
}

/** A number as a head's type holds it. */
inline float HeadNumberOf(HeadType type, float value) {
  const uint32_t bits = HeadBitsOf(type, value);
  if (type == kHeadFloat16) return __half2float(__ushort_as_half(static_cast<uint16_t>(bits)));
  const uint32_t whole = type == kHeadBfloat16 ? bits << 16 : bits;
  float number;
  std::memcpy(&number, &whole, sizeof number);
  return number;
}

/**
 * Lays out a head by level, in its type, with NaN where nobody must look.
 *
 * @param values for each anchor
 * @param joined batch × anchors × values
 */
inline std::vector<std::vector<uint8_t>> HeadBytes(const DetectionsShape &shape, size_t batch, int32_t values,
                                                   const std::vector<float> &joined) {
  const size_t row = static_cast<size_t>(shape.anchors_per_cell) * static_cast<size_t>(values);
  const auto padded = static_cast<size_t>(PaddedChannels(shape.anchors_per_cell * values, shape.type));
  const auto bytes = static_cast<size_t>(BytesOf(shape.type));
  const size_t frame_values = static_cast<size_t>(shape.anchors()) * static_cast<size_t>(values);
  std::vector<std::vector<uint8_t>> levels;
  size_t before = 0;
  for (int32_t level = 0; level < shape.levels; ++level) {
    const auto cells = static_cast<size_t>(shape.cells[level]);
    std::vector<uint8_t> made(batch * cells * padded * bytes);
    uint8_t *to = made.data();
    for (size_t frame = 0; frame < batch; ++frame) {
      for (size_t cell = 0; cell < cells; ++cell) {
        for (size_t channel = 0; channel < padded; ++channel, to += bytes) {
          const float *from = &joined[frame * frame_values + (before + cell) * row];
          const uint32_t bits = HeadBitsOf(shape.type, channel < row ? from[channel] : NAN);
          // Little-endian, as all machines are that have such devices.
          std::memcpy(to, &bits, bytes);
        }
      }
    }
    before += cells;
    levels.push_back(std::move(made));
  }
  return levels;
}

#endif
