#include <napi.h>

#include "addon_data.h"
#include "build.h"
#include "children.h"
#include "engine.h"
#include "frame_memory.h"
#include "frame_reader.h"
#include "library.h"
#include "preprocessor_object.h"

/** What lib/backends, lib/threads and lib/video declare. Arguments are checked there, not here. */
static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto *data = new AddonData;
  data->engine = Napi::Persistent(Engine::Define(env));
  env.SetInstanceData(data);
  exports.Set("openLibrary", Napi::Function::New(env, OpenLibrary));
  exports.Set("nameOf", Napi::Function::New(env, NameOf));
  exports.Set("probe", Napi::Function::New(env, Probe));
  exports.Set("inspect", Napi::Function::New(env, Inspect));
  exports.Set("build", Napi::Function::New(env, Build));
  exports.Set("loadEngine", Napi::Function::New(env, LoadEngine));
  exports.Set("detachFrame", Napi::Function::New(env, DetachFrame));
  exports.Set("findLoud", Napi::Function::New(env, FindLoudOf));
  exports.Set("addressOf", Napi::Function::New(env, AddressOf));
  exports.Set("Preprocessor", PreprocessorObject::Define(env));
  exports.Set("addChild", Napi::Function::New(env, AddChild));
  exports.Set("openPipe", Napi::Function::New(env, OpenPipe));
  exports.Set("closePipe", Napi::Function::New(env, ClosePipe));
  exports.Set("FrameReader", FrameReader::Define(env));
  exports.Set("removeChild", Napi::Function::New(env, RemoveChild));
  return exports;
}

NODE_API_MODULE(efficientdet_trt, Init)
