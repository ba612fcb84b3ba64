/* From luma and chroma to RGB, in whole numbers, so that each byte is that of lib/image/yuv.ts. */
#ifndef EFFICIENTDET_CUDA_YUV_H
#define EFFICIENTDET_CUDA_YUV_H

#include <cuda_runtime.h>

#include <cstdint>

#include "efficientdet_backend.h"

/** Fraction bits of coefficients: sums of their products with samples stay within 32 bits. */
constexpr int kYuvFractionBits = 20;

/** How samples become colours; all but `black` in units of 2⁻²⁰. */
struct YuvCoefficients {
  /** The luma of black. */
  int32_t black;
  int32_t luma;
  int32_t red_of_v;
  int32_t green_of_u;
  int32_t green_of_v;
  int32_t blue_of_u;
};

constexpr int32_t YuvFixed(double value) {
  // std::lround is no constant expression; NOLINTNEXTLINE(bugprone-incorrect-roundings)
  return static_cast<int32_t>(value * (1 << kYuvFractionBits) + 0.5);
}

/** @param red, blue luma's shares of them; green has the rest */
constexpr YuvCoefficients MakeYuvCoefficients(double red, double blue, bool limited) {
  const double green = 1 - red - blue;
  const double chroma = limited ? 255.0 / 224 : 1;
  const double red_of_v = 2 * (1 - red) * chroma;
  const double blue_of_u = 2 * (1 - blue) * chroma;
  return {limited ? 16 : 0,
          YuvFixed(limited ? 255.0 / 219 : 1),
          YuvFixed(red_of_v),
          YuvFixed(blue / green * blue_of_u),
          YuvFixed(red / green * red_of_v),
          YuvFixed(blue_of_u)};
}

/** Computed by the compiler, whose float64 has no fused multiply-adds, by `ed_matrix` and `ed_range`. */
constexpr YuvCoefficients kYuvCoefficients[3][2] = {
    {MakeYuvCoefficients(0.299, 0.114, true), MakeYuvCoefficients(0.299, 0.114, false)},
    {MakeYuvCoefficients(0.2126, 0.0722, true), MakeYuvCoefficients(0.2126, 0.0722, false)},
    {MakeYuvCoefficients(0.2627, 0.0593, true), MakeYuvCoefficients(0.2627, 0.0593, false)},
};

/** Rounds down to a whole number, within a byte. */
__device__ __forceinline__ int YuvByte(int32_t value) {
  const int whole = value >> kYuvFractionBits;
  return whole < 0 ? 0 : whole > 255 ? 255 : whole;
}

/** R, G and B in the low bytes, each rounded to nearest. */
__device__ __forceinline__ uint32_t RgbOfYuv(const YuvCoefficients &coefficients, int y, int u, int v) {
  const int32_t grey = coefficients.luma * (y - coefficients.black) + (1 << (kYuvFractionBits - 1));
  const int red = YuvByte(grey + coefficients.red_of_v * (v - 128));
  const int green = YuvByte(grey - coefficients.green_of_u * (u - 128) - coefficients.green_of_v * (v - 128));
  const int blue = YuvByte(grey + coefficients.blue_of_u * (u - 128));
  return static_cast<uint32_t>(red | green << 8 | blue << 16);
}

#endif
