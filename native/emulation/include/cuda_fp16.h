/* A stand-in for CUDA's header of this name (see cuda_runtime.h). */
#ifndef EFFICIENTDET_EMULATION_CUDA_FP16_H
#define EFFICIENTDET_EMULATION_CUDA_FP16_H

#include <algorithm>
#include <cmath>
#include <cstdint>

struct __half {
  uint16_t bits;
};

/** Rounds to nearest, ties to even. */
inline __half __float2half_rn(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  if (std::isnan(value)) return {0x7fff};
  const float magnitude = std::fabs(value);
  // Half way from the greatest half number, 65504, to what would come next.
  if (magnitude >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  if (magnitude == 0) return {sign};
  int exponent;
  std::frexp(magnitude, &exponent);
  // Eleven significant bits down to 2^-14, and steps of 2^-24 below. Scaling by a power of two is exact.
  const int step = std::max(exponent - 11, -24);
  const auto steps = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, -step)));
  // Adding lets a significand that was rounded up carry into the exponent.
  return {static_cast<uint16_t>(sign + (static_cast<uint32_t>(step + 24) << 10) + steps)};
}

inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half half) { return half.bits; }

inline float __half2float(__half half) {
  const int exponent = half.bits >> 10 & 31;
  const int fraction = half.bits & 1023;
  const float magnitude = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                          : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                          : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return half.bits >> 15 != 0 ? -magnitude : magnitude;
}

#endif
