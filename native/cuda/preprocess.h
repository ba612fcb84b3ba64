/*
 * From frames in device memory to the network's input, scaled to fit, filled up and normalised as the weights'
 * trainer did; bit for bit lib/image/preprocess.ts.
 */
#ifndef EFFICIENTDET_CUDA_PREPROCESS_H
#define EFFICIENTDET_CUDA_PREPROCESS_H

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../preprocess/letterbox.h"
#include "efficientdet_backend.h"
#include "yuv.h"

/** A frame whose planes are device memory, and where it goes. Lies in device memory itself. */
struct PreprocessFrame {
  const uint8_t *planes[3];
  uint32_t strides[3];
  int32_t format;
  /** Used by ED_NV12 and ED_I420. */
  YuvCoefficients yuv;
  /** 0 for none: the input is all fill, which is how a batch of fewer frames than the network's is filled up. */
  int32_t width;
  int32_t height;
  int32_t fitted_width;
  int32_t fitted_height;
};

inline PreprocessFrame MakePreprocessFrame(const ed_frame &frame, const Letterbox &letterbox) {
  PreprocessFrame result{};
  std::copy_n(frame.planes, 3, result.planes);
  std::copy_n(frame.strides, 3, result.strides);
  result.format = frame.format;
  result.yuv = kYuvCoefficients[frame.matrix][frame.range];
  result.width = static_cast<int32_t>(frame.width);
  result.height = static_cast<int32_t>(frame.height);
  result.fitted_width = letterbox.width;
  result.fitted_height = letterbox.height;
  return result;
}

/** How to make a network's input. */
struct PreprocessModel {
  int32_t width;
  int32_t height;
  /** Per channel R, G, B, in pixel units 0…255. */
  float mean[3];
  float std[3];
  float fill[3];
  ed_resize resize;
  /** Whether the input is float16; else it is float32. */
  bool half;
};

/** Bytes of device memory that `LaunchPreprocess` works in, aligned to 256. */
size_t PreprocessWorkspace(const PreprocessModel &model, int32_t batch);

/**
 * Fills `input`, batch×3×height×width, from frames of any sizes and formats. The launch depends on model and batch
 * alone, so a graph may capture it and `frames` change.
 *
 * @param frames in device memory, like the workspace
 */
cudaError_t LaunchPreprocess(cudaStream_t stream, const PreprocessModel &model, const PreprocessFrame *frames,
                             int32_t batch, void *input, void *workspace);

#endif
