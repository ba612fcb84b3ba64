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

void SetComputeCapability(const Napi::CallbackInfo &info) {
  emulation::SetComputeCapability(static_cast<int>(NumberOf(info[0])));
}

void SetIntegrated(const Napi::CallbackInfo &info) { emulation::SetIntegrated(info[0].As<Napi::Boolean>()); }

void SetMemory(const Napi::CallbackInfo &info) {
  emulation::SetMemory(static_cast<size_t>(info[0].As<Napi::Number>().Int64Value()));
}

Napi::Value HasContext(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), emulation::HasContext(static_cast<int>(NumberOf(info[0]))));
}

void ForgetContexts(const Napi::CallbackInfo &) { emulation::ForgetContexts(); }

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
  exports.Set("setComputeCapability", Napi::Function::New(env, SetComputeCapability));
  exports.Set("setIntegrated", Napi::Function::New(env, SetIntegrated));
  exports.Set("setMemory", Napi::Function::New(env, SetMemory));
  exports.Set("hasContext", Napi::Function::New(env, HasContext));
  exports.Set("forgetContexts", Napi::Function::New(env, ForgetContexts));
  exports.Set("countLive", Napi::Function::New(env, CountLive));
  return exports;
}

}  // namespace

NODE_API_MODULE(efficientdet_emulation_control, Init)
