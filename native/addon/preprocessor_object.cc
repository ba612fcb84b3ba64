#include "preprocessor_object.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <vector>

#include "codes.h"
#include "frame_arguments.h"
#include "status.h"

namespace {

/** From inputHeight, inputWidth, resize, and mean, deviation and normalised fill, R, G, B each. */
InputModel ReadModel(const Napi::CallbackInfo &info) {
  InputModel model{};
  model.height = info[0].As<Napi::Number>();
  model.width = info[1].As<Napi::Number>();
  model.resize = static_cast<ed_resize>(info[2].As<Napi::Number>().Int32Value());
  const float *normalisation = info[3].As<Napi::Float32Array>().Data();
  std::copy_n(normalisation, 3, model.mean);
  std::copy_n(normalisation + 3, 3, model.std);
  std::copy_n(normalisation + 6, 3, model.fill);
  return model;
}

/** The code of that name, or without one the fastest. */
Code ReadCode(const Napi::CallbackInfo &info) {
  const std::vector<Code> codes = CodesForThisProcessor();
  if (!info[4].IsString()) return codes.front();
  const std::string name = info[4].As<Napi::String>();
  for (const Code &code : codes) {
    if (code.name == name) return code;
  }
  throw Napi::Error::New(info.Env(), "This processor cannot run the code " + name + ".");
}

/** Where bytes lie: an array's, or those of an address. */
const uint8_t *ReadBytes(const Napi::Value &value) {
  if (!value.IsBigInt()) return value.As<Napi::Uint8Array>().Data();
  bool lossless = false;
  return reinterpret_cast<const uint8_t *>(value.As<Napi::BigInt>().Uint64Value(&lossless));
}

}  // namespace

Napi::Value FindLoudOf(const Napi::CallbackInfo &info) {
  static const FindLoud *const kFind = CodesForThisProcessor().front().find_loud;
  const auto values = info[0].As<Napi::Float32Array>();
  // Rounded down, a float32 is above either or neither.
  const double wanted = info[2].As<Napi::Number>();
  auto least = static_cast<float>(wanted);
  if (least > wanted) least = std::nextafter(least, -INFINITY);
  auto found = info[3].As<Napi::Uint32Array>();
  const uint32_t count =
      kFind(values.Data(), info[1].As<Napi::Number>().Uint32Value(), static_cast<uint32_t>(values.ElementLength()),
            least, found.Data(), static_cast<uint32_t>(found.ElementLength()));
  return Napi::Number::New(info.Env(), count);
}

Napi::Value AddressOf(const Napi::CallbackInfo &info) {
  return Napi::BigInt::New(info.Env(), reinterpret_cast<uint64_t>(info[0].As<Napi::Uint8Array>().Data()));
}

Napi::Function PreprocessorObject::Define(Napi::Env env) {
  Napi::Array codes = Napi::Array::New(env);
  for (const Code &code : CodesForThisProcessor()) codes.Set(codes.Length(), code.name);
  return DefineClass(env, "Preprocessor",
                     {InstanceMethod<&PreprocessorObject::Run>("run"), StaticValue("codes", codes, napi_enumerable)});
}

PreprocessorObject::PreprocessorObject(const Napi::CallbackInfo &info)
    : Napi::ObjectWrap<PreprocessorObject>(info), preprocessor_(ReadModel(info), ReadCode(info)) {}

void PreprocessorObject::Run(const Napi::CallbackInfo &info) {
  const ed_frame frame = ReadFrame(ReadBytes(info[0]), info, 1);
  try {
    preprocessor_.Run(frame, info[7].As<Napi::Float32Array>().Data());
  } catch (const std::bad_alloc &) {
    throw ErrorOf(info.Env(), ED_OUT_OF_MEMORY, "There is no memory for preprocessing.");
  }
}
