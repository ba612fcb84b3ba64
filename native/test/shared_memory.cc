/*
 * Opens device memory of another process, as PyTorch's, in this one: a decoder's frames come to a detector in the
 * same process, and PyTorch cannot be loaded into Node's.
 */
#include <cuda_runtime_api.h>
#include <napi.h>

#include <cstring>

namespace {

void Check(Napi::Env env, cudaError_t error, const char *what) {
  if (error != cudaSuccess) throw Napi::Error::New(env, std::string(what) + ": " + cudaGetErrorString(error));
}

/** The first argument's bytes. */
template <class Handle>
Handle HandleIn(const Napi::CallbackInfo &info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  Handle handle;
  if (bytes.ByteLength() != sizeof handle) throw Napi::Error::New(info.Env(), "A handle has 64 bytes");
  std::memcpy(&handle, bytes.Data(), sizeof handle);
  return handle;
}

/** (64 bytes of a handle) → an event of another process, as a BigInt. */
Napi::Value OpenEvent(const Napi::CallbackInfo &info) {
  const auto handle = HandleIn<cudaIpcEventHandle_t>(info);
  cudaEvent_t event = nullptr;
  Check(info.Env(), cudaSetDevice(0), "Choosing the device");
  Check(info.Env(), cudaIpcOpenEventHandle(&event, handle), "Opening the event");
  return Napi::BigInt::New(info.Env(), reinterpret_cast<uint64_t>(event));
}

/** (64 bytes of a handle) → address in device 0's memory, as a BigInt. */
Napi::Value Open(const Napi::CallbackInfo &info) {
  const auto handle = HandleIn<cudaIpcMemHandle_t>(info);
  void *memory = nullptr;
  Check(info.Env(), cudaSetDevice(0), "Choosing the device");
  Check(info.Env(), cudaIpcOpenMemHandle(&memory, handle, cudaIpcMemLazyEnablePeerAccess), "Opening the memory");
  return Napi::BigInt::New(info.Env(), reinterpret_cast<uint64_t>(memory));
}

/** (address from `open`) */
void Close(const Napi::CallbackInfo &info) {
  bool lossless = false;
  const uint64_t address = info[0].As<Napi::BigInt>().Uint64Value(&lossless);
  Check(info.Env(), cudaSetDevice(0), "Choosing the device");
  Check(info.Env(), cudaIpcCloseMemHandle(reinterpret_cast<void *>(address)), "Closing the memory");
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, Open));
  exports.Set("openEvent", Napi::Function::New(env, OpenEvent));
  exports.Set("close", Napi::Function::New(env, Close));
  return exports;
}

}  // namespace

NODE_API_MODULE(shared_memory, Init)
