/* From luma and chroma to RGB, in whole numbers, so that each byte is that of lib/image/yuv.ts. */
#ifndef EFFICIENTDET_CUDA_YUV_H
#define EFFICIENTDET_CUDA_YUV_H

#include <cuda_runtime.h>

#include <cstdint>

#include "../preprocess/yuv_coefficients.h"

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
