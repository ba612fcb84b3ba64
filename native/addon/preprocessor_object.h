#pragma once

#include <napi.h>

#include "preprocessor.h"

/** A preprocessor as lib/backends/cpu/preprocessor.ts describes it. Works on the caller's thread. */
class PreprocessorObject : public Napi::ObjectWrap<PreprocessorObject> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit PreprocessorObject(const Napi::CallbackInfo &info);

 private:
  void Run(const Napi::CallbackInfo &info);

  Preprocessor preprocessor_;
};
