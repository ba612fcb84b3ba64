#include "preprocessor_object.h"

#include <algorithm>
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

}  // namespace

Napi::Function PreprocessorObject::Define(Napi::Env env) {
  Napi::Array codes = Napi::Array::New(env);
  for (const Code &code : CodesForThisProcessor()) codes.Set(codes.Length(), code.name);
  return DefineClass(env, "Preprocessor",
                     {InstanceMethod<&PreprocessorObject::Run>("run"), StaticValue("codes", codes, napi_enumerable)});
}

PreprocessorObject::PreprocessorObject(const Napi::CallbackInfo &info)
    : Napi::ObjectWrap<PreprocessorObject>(info), preprocessor_(ReadModel(info), ReadCode(info)) {}

void PreprocessorObject::Run(const Napi::CallbackInfo &info) {
  const ed_frame frame = ReadFrame(info[0].As<Napi::Uint8Array>().Data(), info, 1);
  try {
    preprocessor_.Run(frame, info[7].As<Napi::Float32Array>().Data());
  } catch (const std::bad_alloc &) {
    throw ErrorOf(info.Env(), ED_OUT_OF_MEMORY, "There is no memory for preprocessing.");
  }
}
