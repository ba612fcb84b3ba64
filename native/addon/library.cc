#include "library.h"

#include <memory>

#include "backend_library.h"
#include "message.h"
#include "start.h"
#include "status.h"

const ed_backend *BackendOf(const Napi::Value &library) { return library.As<Napi::External<ed_backend>>().Data(); }

Napi::Value OpenLibrary(const Napi::CallbackInfo &info) {
  const BackendLibrary library = OpenBackendLibrary(info[0].As<Napi::String>());
  if (library.table == nullptr) throw ErrorOf(info.Env(), ED_UNAVAILABLE, library.failure);
  // N-API's externals know no const; the table is only read.
  return Napi::External<ed_backend>::New(info.Env(), const_cast<ed_backend *>(library.table));
}

Napi::Value NameOf(const Napi::CallbackInfo &info) { return Napi::String::New(info.Env(), BackendOf(info[0])->name); }

namespace {

Napi::Object ObjectOf(Napi::Env env, const ed_device &device) {
  Napi::Object item = Napi::Object::New(env);
  item.Set("name", device.name);
  item.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
  item.Set("memoryBytes", static_cast<double>(device.memory_bytes));
  item.Set("freeBytes", device.free_bytes == ED_UNKNOWN_BYTES
                            ? env.Null()
                            : Napi::Number::New(env, static_cast<double>(device.free_bytes)));
  item.Set("integrated", device.integrated != 0);
  item.Set("uuid", device.uuid);
  return item;
}

/** Loads libraries and drivers and asks devices, which may take seconds the first time. */
class ProbeWorker : public Napi::AsyncWorker {
 public:
  explicit ProbeWorker(const Napi::CallbackInfo &info)
      : Napi::AsyncWorker(info.Env()),
        backend_(BackendOf(info[0])),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        devices_(info[2].As<Napi::Number>()) {
    if (info[1].IsString()) folder_ = info[1].As<Napi::String>();
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    status_ = backend_->attach(folder_.empty() ? nullptr : folder_.c_str(), message_.get());
    // GPUs are told also where nothing runs on them.
    Message unheard;
    const ed_status probed = backend_->probe(devices_, probe_.get(), status_ == ED_OK ? message_.get() : unheard.get());
    if (status_ == ED_OK) status_ = probed;
  }

  void OnOK() override {
    Napi::Object result = Napi::Object::New(Env());
    result.Set("reason", status_ == ED_OK ? Env().Null() : Napi::String::New(Env(), message_.Text()));
    const char *fault = FaultOf(status_);
    result.Set("fault", fault == nullptr ? Env().Null() : Napi::String::New(Env(), fault));
    result.Set("description", probe_->description);
    result.Set("libraryVersion", probe_->library_version);
    result.Set("cudaVersion", probe_->cuda_version);
    result.Set("driverVersion", probe_->driver_version);
    result.Set("canBuild", probe_->can_build != 0);
    Napi::Array devices = Napi::Array::New(Env());
    for (uint32_t i = 0; i < probe_->device_count && i < ED_MAX_DEVICES; i++) {
      devices.Set(i, ObjectOf(Env(), probe_->devices[i]));
    }
    result.Set("devices", devices);
    deferred_.Resolve(result);
  }

 private:
  const ed_backend *backend_;
  Napi::Promise::Deferred deferred_;
  std::string folder_;
  /** A bit for each that will be used. */
  uint32_t devices_;
  std::unique_ptr<ed_probe> probe_ = std::make_unique<ed_probe>();
  Message message_;
  ed_status status_ = ED_OK;
};

class InspectWorker : public Napi::AsyncWorker {
 public:
  explicit InspectWorker(const Napi::CallbackInfo &info)
      : Napi::AsyncWorker(info.Env()),
        backend_(BackendOf(info[0])),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        plan_(Napi::Persistent(info[1].As<Napi::Object>())),
        data_(info[1].As<Napi::Uint8Array>().Data()),
        size_(info[1].As<Napi::Uint8Array>().ByteLength()),
        device_(info[2].As<Napi::Number>()) {}

  ~InspectWorker() override {
    if (json_.data != nullptr) backend_->free_bytes(&json_);
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { status_ = backend_->inspect(data_, size_, device_, &json_, message_.get()); }

  void OnOK() override {
    if (status_ != ED_OK) {
      deferred_.Reject(ErrorOf(Env(), status_, message_.Text()).Value());
      return;
    }
    deferred_.Resolve(Napi::String::New(Env(), reinterpret_cast<const char *>(json_.data), json_.size));
  }

 private:
  const ed_backend *backend_;
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference plan_;
  const uint8_t *data_;
  size_t size_;
  uint32_t device_;
  ed_bytes json_{};
  Message message_;
  ed_status status_ = ED_OK;
};

}  // namespace

Napi::Value Probe(const Napi::CallbackInfo &info) { return Start(new ProbeWorker(info)); }

Napi::Value Inspect(const Napi::CallbackInfo &info) { return Start(new InspectWorker(info)); }
