#include "library.h"

#include <memory>

#include "backend_library.h"
#include "message.h"
#include "start.h"
#include "status.h"

const ed_backend *BackendOf(const Napi::Value &library) {
  return library.As<Napi::External<ed_backend>>().Data();
}

Napi::Value OpenLibrary(const Napi::CallbackInfo &info) {
  const BackendLibrary library = OpenBackendLibrary(info[0].As<Napi::String>());
  if (library.table == nullptr) throw ErrorOf(info.Env(), ED_UNAVAILABLE, library.failure);
  // N-API's externals know no const; the table is only read.
  return Napi::External<ed_backend>::New(info.Env(), const_cast<ed_backend *>(library.table));
}

Napi::Value NameOf(const Napi::CallbackInfo &info) { return Napi::String::New(info.Env(), BackendOf(info[0])->name); }

namespace {

/** Loads drivers and asks devices, which may take a second the first time. */
class ProbeWorker : public Napi::AsyncWorker {
 public:
  ProbeWorker(Napi::Env env, const ed_backend *backend)
      : Napi::AsyncWorker(env), backend_(backend), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { status_ = backend_->probe(probe_.get(), message_.get()); }

  void OnOK() override {
    if (status_ != ED_OK) {
      deferred_.Reject(ErrorOf(Env(), status_, message_.Text()).Value());
      return;
    }
    Napi::Object result = Napi::Object::New(Env());
    result.Set("description", probe_->description);
    Napi::Array devices = Napi::Array::New(Env());
    for (uint32_t i = 0; i < probe_->device_count && i < ED_MAX_DEVICES; i++) {
      const ed_device &device = probe_->devices[i];
      Napi::Object item = Napi::Object::New(Env());
      item.Set("name", device.name);
      item.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
      item.Set("memoryBytes", static_cast<double>(device.memory_bytes));
      item.Set("integrated", device.integrated != 0);
      devices.Set(i, item);
    }
    result.Set("devices", devices);
    deferred_.Resolve(result);
  }

 private:
  const ed_backend *backend_;
  Napi::Promise::Deferred deferred_;
  std::unique_ptr<ed_probe> probe_ = std::make_unique<ed_probe>();
  Message message_;
  ed_status status_ = ED_OK;
};

}  // namespace

Napi::Value Probe(const Napi::CallbackInfo &info) {
  return Start(new ProbeWorker(info.Env(), BackendOf(info[0])));
}
