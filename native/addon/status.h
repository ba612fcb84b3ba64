#pragma once

#include <napi.h>

#include <string>

#include "efficientdet_backend.h"

/** The code of an EfficientDetError for each status; TypeScript makes the error of it. */
inline const char *CodeOf(ed_status status) {
  switch (status) {
    case ED_UNAVAILABLE:
      return "ERR_BACKEND_UNAVAILABLE";
    case ED_INVALID:
      return "ERR_ENGINE";
    case ED_OUT_OF_MEMORY:
      return "ERR_OUT_OF_MEMORY";
    case ED_CANCELLED:
      return "ERR_CANCELLED";
    case ED_DEVICE_LOST:
      return "ERR_DEVICE_LOST";
    default:
      return "ERR_INFERENCE";
  }
}

/** An Error with a code. */
inline Napi::Error ErrorOf(Napi::Env env, ed_status status, const std::string &message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", CodeOf(status));
  return error;
}
