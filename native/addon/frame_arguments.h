#pragma once

#include <napi.h>

#include <cstdint>

#include "efficientdet_backend.h"

/**
 * Takes a frame from the arguments that begin there, which lib/image/native-layout.ts makes; where its bytes lie, the
 * caller says.
 */
inline ed_frame ReadFrame(const uint8_t *begin, const Napi::CallbackInfo &info, size_t first) {
  ed_frame frame{};
  const auto planes = info[first].As<Napi::Uint32Array>();
  for (size_t i = 0; i < planes.ElementLength() / 2 && planes[2 * i + 1] > 0; i++) {
    frame.planes[i] = begin + planes[2 * i];
    frame.strides[i] = planes[2 * i + 1];
  }
  frame.format = static_cast<ed_format>(info[first + 1].As<Napi::Number>().Int32Value());
  frame.matrix = static_cast<ed_matrix>(info[first + 2].As<Napi::Number>().Int32Value());
  frame.range = static_cast<ed_range>(info[first + 3].As<Napi::Number>().Int32Value());
  frame.width = info[first + 4].As<Napi::Number>();
  frame.height = info[first + 5].As<Napi::Number>();
  return frame;
}
