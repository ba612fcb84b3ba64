#pragma once

#include <napi.h>

#include <string>

#include "efficientdet_backend.h"

/** The code of an EfficientDetError for each status; TypeScript makes the error of it. */
inline const char *CodeOf(ed_status status) {
  switch (status) {
    case ED_UNAVAILABLE:
    case ED_NO_DRIVER:
    case ED_OLD_DRIVER:
    case ED_NO_LIBRARY:
    case ED_NOT_A_LIBRARY:
    case ED_WRONG_VERSION:
    case ED_NO_PARSER:
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

/** What exactly is not available; null where that has no name. */
inline const char *FaultOf(ed_status status) {
  switch (status) {
    case ED_NO_DRIVER:
      return "no-driver";
    case ED_OLD_DRIVER:
      return "old-driver";
    case ED_NO_LIBRARY:
      return "no-library";
    case ED_NOT_A_LIBRARY:
      return "not-a-library";
    case ED_WRONG_VERSION:
      return "wrong-version";
    case ED_NO_PARSER:
      return "no-parser";
    default:
      return nullptr;
  }
}

/** An Error with a code, and a fault if it has one. */
inline Napi::Error ErrorOf(Napi::Env env, ed_status status, const std::string &message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", CodeOf(status));
  if (FaultOf(status) != nullptr) error.Set("fault", FaultOf(status));
  return error;
}
