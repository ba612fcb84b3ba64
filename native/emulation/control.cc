#include <napi.h>

#include "emulation.h"

namespace {

uint32_t NumberOf(const Napi::Value &value) { return value.As<Napi::Number>().Uint32Value(); }

void FailCall(const Napi::CallbackInfo &info) {
  emulation::FailCall(NumberOf(info[0]), static_cast<cudaError_t>(NumberOf(info[1])));
}

Napi::Value Calls(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), static_cast<double>(emulation::Calls()));
}

void Revive(const Napi::CallbackInfo &) { emulation::Revive(); }

void SetDeviceCount(const Napi::CallbackInfo &info) { emulation::SetDeviceCount(static_cast<int>(NumberOf(info[0]))); }

void SetDriverVersion(const Napi::CallbackInfo &info) {
  emulation::SetDriverVersion(static_cast<int>(NumberOf(info[0])));
}

Napi::Value CountLive(const Napi::CallbackInfo &info) {
  const emulation::Live live = emulation::CountLive();
  Napi::Object counts = Napi::Object::New(info.Env());
  const auto set = [&](const char *name, size_t count) { counts.Set(name, static_cast<double>(count)); };
  set("deviceAllocations", live.device_allocations);
  set("hostAllocations", live.host_allocations);
  set("streams", live.streams);
  set("events", live.events);
  set("graphs", live.graphs);
  set("executables", live.executables);
  return counts;
}

/** Functions of emulation.h, as test/helpers/emulated.ts declares them. */
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("failCall", Napi::Function::New(env, FailCall));
  exports.Set("calls", Napi::Function::New(env, Calls));
  exports.Set("revive", Napi::Function::New(env, Revive));
  exports.Set("setDeviceCount", Napi::Function::New(env, SetDeviceCount));
  exports.Set("setDriverVersion", Napi::Function::New(env, SetDriverVersion));
  exports.Set("countLive", Napi::Function::New(env, CountLive));
  return exports;
}

}  // namespace

NODE_API_MODULE(efficientdet_emulation_control, Init)
