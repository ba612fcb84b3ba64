#include "build_worker.h"

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "library.h"
#include "message.h"
#include "start.h"
#include "status.h"

namespace {

struct Progress {
  float fraction;
  char phase[96];
};

class BuildWorker : public Napi::AsyncProgressWorker<Progress> {
 public:
  BuildWorker(const Napi::CallbackInfo &info)
      : Napi::AsyncProgressWorker<Progress>(info[4].As<Napi::Function>()),
        backend_(BackendOf(info[0])),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        cancel_(Napi::Persistent(info[3].As<Napi::Object>())),
        flag_(info[3].As<Napi::Int32Array>().Data()) {
    // The caller's bytes are kept, not copied: a large model has hundreds of megabytes of them.
    auto onnx = info[1].As<Napi::Uint8Array>();
    onnx_ = Napi::Persistent(info[1].As<Napi::Object>());
    data_ = onnx.Data();
    size_ = onnx.ByteLength();
    auto options = info[2].As<Napi::Object>();
    options_.max_batch = options.Get("maxBatch").As<Napi::Number>();
    options_.workspace_bytes = static_cast<uint64_t>(options.Get("workspaceBytes").As<Napi::Number>().Int64Value());
  }

  // Also where the environment went before the plan could be handed on.
  ~BuildWorker() override {
    if (plan_.data != nullptr) backend_->free_bytes(&plan_);
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute(const ExecutionProgress &progress) override {
    options_.progress = [](void *context, float fraction, const char *phase) {
      Progress step{fraction, ""};
      std::strncpy(step.phase, phase, sizeof step.phase - 1);
      static_cast<const ExecutionProgress *>(context)->Send(&step, 1);
    };
    options_.progress_context = const_cast<ExecutionProgress *>(&progress);
    options_.cancel = flag_;
    status_ = backend_->build(data_, size_, &options_, &plan_, message_.get());
  }

  void OnProgress(const Progress *step, size_t count) override {
    if (count > 0) Callback().Call({Napi::Number::New(Env(), step->fraction), Napi::String::New(Env(), step->phase)});
  }

  void OnOK() override {
    if (status_ != ED_OK) {
      deferred_.Reject(ErrorOf(Env(), status_, message_.Text()).Value());
      return;
    }
    Napi::Uint8Array plan = Napi::Uint8Array::New(Env(), plan_.size);
    std::memcpy(plan.Data(), plan_.data, plan_.size);
    deferred_.Resolve(plan);
  }

 private:
  const ed_backend *backend_;
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference onnx_;
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
  Napi::ObjectReference cancel_;
  const int32_t *flag_;
  ed_build_options options_{};
  ed_bytes plan_{};
  Message message_;
  ed_status status_ = ED_OK;
};

}  // namespace

Napi::Value Build(const Napi::CallbackInfo &info) {
  return Start(new BuildWorker(info));
}
