#include "build.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "library.h"
#include "message.h"
#include "status.h"

namespace {

/** Characters that are kept of what the libraries below say: the last ones. */
constexpr size_t kLogLength = size_t{64} << 10;

Napi::Uint8Array ArrayOf(Napi::Env env, const ed_bytes &bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size);
  if (bytes.size > 0) std::memcpy(array.Data(), bytes.data, bytes.size);
  return array;
}

/** One build, which its channel to JavaScript's thread owns. */
class EngineBuild {
 public:
  explicit EngineBuild(const Napi::CallbackInfo &info)
      : env_(info.Env()),
        backend_(BackendOf(info[0])),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        // The caller's bytes are kept, not copied: a large model has hundreds of megabytes of them.
        onnx_(Napi::Persistent(info[1].As<Napi::Object>())),
        kept_options_(Napi::Persistent(info[2].As<Napi::Object>())),
        cancel_(Napi::Persistent(info[3].As<Napi::Object>())),
        flag_(info[3].As<Napi::Int32Array>().Data()),
        on_progress_(Napi::Persistent(info[4].As<Napi::Function>())) {
    const auto options = info[2].As<Napi::Object>();
    const auto number = [&](const char *name) { return options.Get(name).As<Napi::Number>(); };
    const auto flag = [&](const char *name) { return options.Get(name).As<Napi::Boolean>() ? 1 : 0; };
    options_.max_batch_size = number("maxBatchSize");
    options_.device = number("device");
    const auto targets = options.Get("targets").As<Napi::Uint32Array>();
    targets_.assign(targets.Data(), targets.Data() + targets.ElementLength());
    options_.targets = targets_.data();
    options_.target_count = static_cast<uint32_t>(targets_.size());
    options_.workspace_bytes = static_cast<uint64_t>(number("workspaceBytes").Int64Value());
    options_.optimisation_level = number("optimisationLevel");
    options_.tf32 = flag("tf32");
    options_.version_compatible = flag("versionCompatible");
    options_.hardware_compatible = flag("hardwareCompatible");
    if (options.Get("timingCache").IsTypedArray()) {
      const auto cache = options.Get("timingCache").As<Napi::Uint8Array>();
      options_.timing_cache = cache.Data();
      options_.timing_cache_size = cache.ByteLength();
    }
    options_.timing_cache_out = &timing_cache_out_;
    options_.progress = [](void *self, float fraction, const char *phase) {
      static_cast<EngineBuild *>(self)->OnProgress(fraction, phase);
    };
    options_.progress_context = this;
    options_.log = [](void *self, ed_severity, const char *line) { static_cast<EngineBuild *>(self)->OnLog(line); };
    options_.log_context = this;
    options_.cancel = flag_;

    channel_ = Channel::New(env_, "efficientdet-trt build", 0, 1, this,
                            [](Napi::Env, void *, EngineBuild *build) { delete build; });
    // Hooks run in the reverse order of their making: this one before the channel's own.
    napi_add_env_cleanup_hook(env_, OnCleanup, this);
    const auto onnx = info[1].As<Napi::Uint8Array>();
    try {
      thread_ = std::thread([this, data = onnx.Data(), size = onnx.ByteLength()] { Run(data, size); });
    } catch (const std::system_error &error) {
      End(ED_FAILED, kNoThread + std::string(error.what()));
    }
  }

  ~EngineBuild() {
    if (plan_.data != nullptr) backend_->free_bytes(&plan_);
    if (timing_cache_out_.data != nullptr) backend_->free_bytes(&timing_cache_out_);
  }

  EngineBuild(const EngineBuild &) = delete;
  EngineBuild &operator=(const EngineBuild &) = delete;

  Napi::Promise Promise() const { return deferred_.Promise(); }

 private:
  static void Deliver(Napi::Env env, Napi::Function unused, EngineBuild *build, void *no_data);
  using Channel = Napi::TypedThreadSafeFunction<EngineBuild, void, Deliver>;

  void Run(const uint8_t *onnx, size_t size) {
    Message message;
    const ed_status status = backend_->build(onnx, size, &options_, &plan_, message.get());
    End(status, message.Text());
  }

  void End(ed_status status, const std::string &message) {
    std::lock_guard<std::mutex> lock(mutex_);
    status_ = status;
    message_ = message;
    ended_ = true;
    Wake();
  }

  void OnProgress(float fraction, const char *phase) {
    std::lock_guard<std::mutex> lock(mutex_);
    fraction_ = fraction;
    phase_ = phase;
    Wake();
  }

  /** Only the newest step is of interest: while one waits to be told, it is overwritten. */
  void Wake() {
    if (!waking_) waking_ = channel_.NonBlockingCall() == napi_ok;
  }

  void OnLog(const char *line) {
    std::lock_guard<std::mutex> lock(mutex_);
    log_.append(line).append("\n");
    if (log_.size() > 2 * kLogLength) log_.erase(0, log_.size() - kLogLength);
  }

  /** Emits the newest step, or the end, on JavaScript's thread. */
  void Emit(Napi::Env env) {
    std::unique_lock<std::mutex> lock(mutex_);
    waking_ = false;
    if (ended_) {
      lock.unlock();
      napi_remove_env_cleanup_hook(env_, OnCleanup, this);
      Join();
      Settle(env);
      channel_.Release();
      return;
    }
    const auto fraction = Napi::Number::New(env, fraction_);
    const auto phase = Napi::String::New(env, phase_);
    lock.unlock();
    on_progress_.Call({fraction, phase});
  }

  /** There is none if the system would not start it. */
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  void Settle(Napi::Env env) {
    if (status_ != ED_OK) {
      Napi::Error error = ErrorOf(env, status_, message_);
      error.Set("log", log_);
      deferred_.Reject(error.Value());
      return;
    }
    Napi::Object built = Napi::Object::New(env);
    built.Set("plan", ArrayOf(env, plan_));
    built.Set("timingCache", ArrayOf(env, timing_cache_out_));
    built.Set("log", log_);
    deferred_.Resolve(built);
  }

  /** The environment is going: nobody waits for the engine any more. */
  static void OnCleanup(void *self) {
    auto *build = static_cast<EngineBuild *>(self);
    __atomic_store_n(build->flag_, 1, __ATOMIC_RELAXED);
    build->Join();
    build->channel_.Release();
  }

  napi_env env_;
  const ed_backend *backend_;
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference onnx_;
  /** Has the timing cache. */
  Napi::ObjectReference kept_options_;
  Napi::ObjectReference cancel_;
  int32_t *flag_;
  Napi::FunctionReference on_progress_;
  Channel channel_;
  std::vector<uint32_t> targets_;
  ed_build_options options_{};
  ed_bytes plan_{};
  ed_bytes timing_cache_out_{};
  std::string message_;
  ed_status status_ = ED_OK;
  std::thread thread_;

  /** Guards all below, which both threads use. */
  std::mutex mutex_;
  float fraction_ = 0;
  std::string phase_;
  std::string log_;
  bool ended_ = false;
  /** Whether JavaScript's thread was called and has not come yet. */
  bool waking_ = false;
};

void EngineBuild::Deliver(Napi::Env env, Napi::Function, EngineBuild *build, void *) {
  // Without an environment this is a clean-up.
  if (env != nullptr) build->Emit(env);
}

}  // namespace

Napi::Value Build(const Napi::CallbackInfo &info) { return (new EngineBuild(info))->Promise(); }
