#pragma once

#include <napi.h>

#include "preprocessor.h"

/** findLoud(values, from, least, found), as lib/postprocess/candidates.ts describes it. */
Napi::Value FindLoudOf(const Napi::CallbackInfo &info);

/** addressOf(data): where an array's bytes lie, for a preprocessor of another thread. */
Napi::Value AddressOf(const Napi::CallbackInfo &info);

/** A preprocessor as lib/backends/cpu/preprocessor.ts describes it. Works on the caller's thread. */
class PreprocessorObject : public Napi::ObjectWrap<PreprocessorObject> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit PreprocessorObject(const Napi::CallbackInfo &info);

 private:
  void Run(const Napi::CallbackInfo &info);

  Preprocessor preprocessor_;
};
