/* How luma and chroma make colours; for the CPU's code and the CUDA kernels. Twin of lib/image/yuv.ts. */
#pragma once

#include <cstdint>

/** Fraction bits of coefficients: sums of their products with samples stay within 32 bits. */
constexpr int kYuvFractionBits = 20;

/** All but `black` in units of 2⁻²⁰. */
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
