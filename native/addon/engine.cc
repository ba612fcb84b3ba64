#include "engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <system_error>
#include <utility>

#include "addon_data.h"
#include "frame_arguments.h"
#include "frame_memory.h"
#include "library.h"
#include "message.h"
#include "start.h"
#include "status.h"

namespace {

/** How long an environment that goes waits for a backend that does not answer. */
constexpr std::chrono::seconds kTimeout{5};

/** What a load worker hands to the engine that JavaScript sees. */
struct Loaded {
  const ed_backend *backend;
  ed_engine *engine;
  ed_engine_info info;
  EngineThreads::Options options;
};

/**
 * An outcome in one piece of memory, as lib/backends/tensorrt/addon.ts describes it: making and filling many small
 * JavaScript objects from here takes longer than all else that an answer needs.
 */
Napi::ArrayBuffer ResultOf(Napi::Env env, const Outcome &outcome) {
  const auto &detections = outcome.detections;
  const size_t count = detections.size();
  const float facts[] = {outcome.queue_ms,
                         outcome.preprocess_ms,
                         outcome.network_ms,
                         outcome.postprocess_ms,
                         outcome.candidates_capped ? 1.0f : 0.0f,
                         outcome.detections_capped ? 1.0f : 0.0f};
  const size_t fact_count = std::size(facts);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, (fact_count + 6 * count) * sizeof(float));
  auto *boxes = std::copy_n(facts, fact_count, static_cast<float *>(buffer.Data()));
  float *scores = boxes + 4 * count;
  auto *class_ids = reinterpret_cast<uint32_t *>(scores + count);
  for (const ed_detection &detection : detections) {
    const float box[] = {detection.x1, detection.y1, detection.x2, detection.y2};
    boxes = std::copy_n(box, 4, boxes);
    *scores++ = detection.score;
    *class_ids++ = detection.class_id;
  }
  return buffer;
}

/** Takes what is wanted of a job from the arguments that begin there: NativePostprocess of
 * lib/backends/tensorrt/addon.ts. */
void ReadPostprocess(Job &job, const Napi::CallbackInfo &info, size_t first) {
  const auto thresholds = info[first].As<Napi::Float32Array>();
  job.score_thresholds.assign(thresholds.Data(), thresholds.Data() + thresholds.ElementLength());
  job.postprocess.score_thresholds = job.score_thresholds.data();
  job.postprocess.iou_threshold = info[first + 1].As<Napi::Number>();
  job.postprocess.max_detections = info[first + 2].As<Napi::Number>();
  job.postprocess.pre_nms_top_k = info[first + 3].As<Napi::Number>();
  job.postprocess.agnostic = info[first + 4].As<Napi::Boolean>() ? 1 : 0;
}

}  // namespace

Napi::Function Engine::Define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {InstanceMethod<&Engine::Submit>("submit"), InstanceMethod<&Engine::SubmitTo>("submitTo"),
                      InstanceMethod<&Engine::Cancel>("cancel"), InstanceMethod<&Engine::Close>("close"),
                      InstanceMethod<&Engine::Allocate>("allocate"), InstanceMethod<&Engine::Abandon>("abandon"),
                      InstanceMethod<&Engine::Stats>("stats"), InstanceMethod<&Engine::Info>("info")});
}

Engine::Engine(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Engine>(info) {
  Loaded &loaded = *info[0].As<Napi::External<Loaded>>().Data();
  deliveries_ = new Deliveries{this};
  channel_ = Channel::New(info.Env(), "efficientdet-trt engine", 0, 1, deliveries_,
                          [](Napi::Env, void *, Deliveries *deliveries) { delete deliveries; });
  channel_.Unref(info.Env());
  // Copied into the callback: the channel is a handle, and this object may go while the threads still end.
  const auto deliver = [channel = channel_](std::unique_ptr<Outcome> outcome) {
    // The queue has no limit of its own, so this neither blocks nor fails while the environment lives.
    if (channel.NonBlockingCall(outcome.get()) == napi_ok) static_cast<void>(outcome.release());
  };
  try {
    threads_ = std::make_unique<EngineThreads>(loaded.backend, loaded.engine, loaded.options, deliver);
  } catch (const std::system_error &error) {
    channel_.Release();
    throw ErrorOf(info.Env(), ED_FAILED, kNoThread + std::string(error.what()));
  }
  loaded.engine = nullptr;
  // Hooks run in the reverse order of their making: this one before the channel's own.
  napi_add_env_cleanup_hook(info.Env(), OnCleanup, this);
}

Engine::~Engine() { Release(kTimeout); }

void Engine::Release(std::chrono::milliseconds timeout) {
  if (threads_ == nullptr) return;
  napi_remove_env_cleanup_hook(Env(), OnCleanup, this);
  TearDown(timeout);
}

void Engine::OnCleanup(void *engine) { static_cast<Engine *>(engine)->TearDown(kTimeout); }

void Engine::TearDown(std::chrono::milliseconds timeout) {
  if (threads_ == nullptr) return;
  threads_->StopWithin(timeout);
  done_ = {0, 0, threads_->CountWork().batches};
  threads_ = nullptr;
  deliveries_->engine = nullptr;
  channel_.Release();
}

Napi::Value Engine::Submit(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (threads_ == nullptr) return env.Undefined();
  const auto id = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  auto job = std::make_unique<Job>();
  job->id = id;
  const bool on_device = info[1].IsBigInt();
  bool lossless = false;
  const uint8_t *begin = on_device
                             ? reinterpret_cast<const uint8_t *>(info[1].As<Napi::BigInt>().Uint64Value(&lossless))
                             : Fill(*job, info[1].As<Napi::Uint8Array>());
  job->frame = ReadFrame(begin, info, 2);
  job->frame.memory = on_device ? ED_DEVICE : ED_HOST;
  job->frame.readiness = static_cast<ed_readiness>(info[8].As<Napi::Number>().Int32Value());
  if (info[9].IsBigInt()) {
    job->frame.awaited = reinterpret_cast<void *>(info[9].As<Napi::BigInt>().Uint64Value(&lossless));
  }
  ReadPostprocess(*job, info, 10);
  if (!threads_->Submit(job)) return env.Undefined();
  return Await(env, id);
}

Napi::Value Engine::SubmitTo(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (threads_ == nullptr) return env.Undefined();
  const uint32_t context = info[0].As<Napi::Number>();
  const auto first_id = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  const auto images = info[2].As<Napi::Array>();
  std::vector<std::unique_ptr<Job>> batch;
  for (uint32_t i = 0; i < images.Length(); i++) {
    auto job = std::make_unique<Job>();
    job->id = first_id + i;
    job->frame.planes[0] = Fill(*job, images.Get(i).As<Napi::Uint8Array>());
    job->frame.memory = ED_HOST;
    job->frame.format = ED_RGB;
    job->frame.width = info[3].As<Napi::Number>();
    job->frame.height = info[4].As<Napi::Number>();
    job->frame.strides[0] = 3 * job->frame.width;
    ReadPostprocess(*job, info, 5);
    batch.push_back(std::move(job));
  }
  if (!threads_->SubmitTo(context, std::move(batch))) return env.Undefined();
  Napi::Array promises = Napi::Array::New(env, images.Length());
  for (uint32_t i = 0; i < images.Length(); i++) promises.Set(i, Await(env, first_id + i));
  return promises;
}

/** The promise of a job that was queued. */
Napi::Promise Engine::Await(Napi::Env env, uint64_t id) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (pending_.empty()) {
    Ref();
    channel_.Ref(env);
  }
  pending_.emplace(id, deferred);
  return deferred.Promise();
}

const uint8_t *Engine::Fill(Job &job, const Napi::Uint8Array &data) {
  job.shared = FindFrameMemory(data.Data(), data.ByteLength());
  if (job.shared != nullptr) return data.Data();
  job.bytes = threads_->Stage(data.ByteLength());
  if (job.bytes.data() == nullptr) {
    throw ErrorOf(Env(), ED_OUT_OF_MEMORY,
                  "There is no memory for a frame of " + std::to_string(data.ByteLength()) + " bytes.");
  }
  threads_->Copy(job.bytes.data(), data.Data(), data.ByteLength());
  return job.bytes.data();
}

Napi::Value Engine::Cancel(const Napi::CallbackInfo &info) {
  const auto id = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  const bool cancelled = threads_ != nullptr && threads_->Cancel(id);
  if (cancelled) Forget(id);
  return Napi::Boolean::New(info.Env(), cancelled);
}

Napi::Value Engine::Close(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (closing_ == nullptr) {
    closing_ = std::make_unique<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
    if (threads_ == nullptr) {
      closing_->Resolve(env.Undefined());
    } else {
      Ref();
      channel_.Ref(env);
      threads_->Close();
    }
  }
  return closing_->Promise();
}

Napi::Value Engine::Allocate(const Napi::CallbackInfo &info) {
  if (threads_ == nullptr) return info.Env().Undefined();
  Staging staging = threads_->Stage(static_cast<size_t>(info[0].As<Napi::Number>().Int64Value()));
  if (staging.data() == nullptr) return info.Env().Undefined();
  return NewFrameMemory(info.Env(), std::move(staging));
}

void Engine::Abandon(const Napi::CallbackInfo &info) {
  if (threads_ == nullptr) return;
  const bool works = !pending_.empty();
  const bool closes = closing_ != nullptr;
  pending_.clear();
  if (works || closes) channel_.Unref(info.Env());
  Release(std::chrono::milliseconds(0));
  if (closes) closing_->Resolve(info.Env().Undefined());
  if (works) Unref();
  if (closes) Unref();
}

Napi::Value Engine::Stats(const Napi::CallbackInfo &info) {
  const EngineThreads::Work work = threads_ == nullptr ? done_ : threads_->CountWork();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("queued", static_cast<double>(work.queued));
  result.Set("running", static_cast<double>(work.running));
  Napi::Array batches = Napi::Array::New(info.Env(), work.batches.size());
  for (uint32_t i = 0; i < work.batches.size(); i++) batches.Set(i, static_cast<double>(work.batches[i]));
  result.Set("batches", batches);
  return result;
}

Napi::Value Engine::Info(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (threads_ == nullptr) return env.Null();
  const ed_engine_info now = threads_->Info();
  Napi::Object result = Napi::Object::New(env);
  result.Set("maxBatchSize", now.max_batch_size);
  result.Set("contexts", now.contexts);
  result.Set("description", now.description);
  result.Set("deviceBytes", static_cast<double>(now.device_bytes));
  Napi::Array graphs = Napi::Array::New(env);
  for (uint32_t i = 0; i < std::min(now.profile_count, ED_MAX_PROFILES); i++) {
    Napi::Object graph = Napi::Object::New(env);
    graph.Set("batchSize", now.profile_batch_sizes[i]);
    graph.Set("contexts", now.profile_graphs[i]);
    graphs.Set(i, graph);
  }
  result.Set("graphs", graphs);
  return result;
}

void Engine::Deliver(Napi::Env env, Napi::Function, Deliveries *deliveries, Outcome *raw) {
  std::unique_ptr<Outcome> outcome(raw);
  // Without an environment this is a clean-up: what is queued is only to be freed.
  if (env == nullptr || deliveries->engine == nullptr) return;
  deliveries->engine->Settle(env, std::move(outcome));
}

void Engine::Settle(Napi::Env env, std::unique_ptr<Outcome> outcome) {
  if (outcome == nullptr) {
    Release(kTimeout);
    closing_->Resolve(env.Undefined());
    Unref();
    return;
  }
  auto found = pending_.find(outcome->id);
  if (found == pending_.end()) return;
  const Napi::Promise::Deferred deferred = found->second;
  if (outcome->status == ED_OK) {
    deferred.Resolve(ResultOf(env, *outcome));
  } else {
    deferred.Reject(ErrorOf(env, outcome->status, outcome->message).Value());
  }
  Forget(outcome->id);
}

void Engine::Forget(uint64_t id) {
  pending_.erase(id);
  if (!pending_.empty()) return;
  // While it closes, the end is still to be told.
  if (closing_ == nullptr) channel_.Unref(Env());
  Unref();
}

namespace {

class LoadWorker : public Napi::AsyncWorker {
 public:
  explicit LoadWorker(const Napi::CallbackInfo &info)
      : Napi::AsyncWorker(info.Env()), deferred_(Napi::Promise::Deferred::New(info.Env())) {
    loaded_.backend = BackendOf(info[0]);
    plan_ = Napi::Persistent(info[1].As<Napi::Object>());
    data_ = info[1].As<Napi::Uint8Array>().Data();
    size_ = info[1].As<Napi::Uint8Array>().ByteLength();

    const auto model = info[2].As<Napi::Object>();
    model_.input_height = model.Get("inputHeight").As<Napi::Number>();
    model_.input_width = model.Get("inputWidth").As<Napi::Number>();
    model_.classes = model.Get("classes").As<Napi::Number>();
    const auto anchors = model.Get("anchors").As<Napi::Float32Array>();
    anchors_.assign(anchors.Data(), anchors.Data() + anchors.ElementLength());
    model_.anchors = anchors_.data();
    model_.anchor_count = static_cast<uint32_t>(anchors_.size() / 4);
    const auto normalisation = model.Get("normalisation").As<Napi::Float32Array>();
    std::memcpy(model_.mean, normalisation.Data(), 3 * sizeof(float));
    std::memcpy(model_.std, normalisation.Data() + 3, 3 * sizeof(float));
    std::memcpy(model_.fill, normalisation.Data() + 6, 3 * sizeof(float));
    model_.resize = static_cast<ed_resize>(model.Get("resize").As<Napi::Number>().Int32Value());

    const auto options = info[3].As<Napi::Object>();
    load_options_.device = options.Get("device").As<Napi::Number>();
    load_options_.contexts = options.Get("contexts").As<Napi::Number>();
    load_options_.allow_host_code = options.Get("allowHostCode").ToBoolean().Value() ? 1 : 0;
    kept_options_ = Napi::Persistent(options);
    if (options.Get("kernels").IsTypedArray()) {
      const auto kernels = options.Get("kernels").As<Napi::Uint8Array>();
      load_options_.kernels = kernels.Data();
      load_options_.kernels_size = kernels.ByteLength();
    }
    load_options_.kernels_out = &kernels_;
    cancel_ = Napi::Persistent(info[4].As<Napi::Object>());
    load_options_.cancel = info[4].As<Napi::Int32Array>().Data();
    loaded_.options.device = load_options_.device;
    loaded_.options.max_batch_size = options.Get("maxBatchSize").As<Napi::Number>();
    loaded_.options.max_delay = std::chrono::microseconds(options.Get("maxBatchDelay").As<Napi::Number>().Int64Value());
    loaded_.options.max_pending = options.Get("maxPending").As<Napi::Number>().Uint32Value();
    loaded_.options.classes = model_.classes;
  }

  ~LoadWorker() override {
    if (loaded_.engine != nullptr) loaded_.backend->destroy(loaded_.engine);
    if (kernels_.data != nullptr) loaded_.backend->free_bytes(&kernels_);
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    status_ = loaded_.backend->load(data_, size_, &model_, &load_options_, &loaded_.engine, message_.get());
    if (status_ == ED_OK) status_ = loaded_.backend->info(loaded_.engine, &loaded_.info, message_.get());
  }

  void OnOK() override {
    if (status_ != ED_OK) {
      deferred_.Reject(ErrorOf(Env(), status_, message_.Text()).Value());
      return;
    }
    loaded_.options.max_batch_size =
        std::clamp(loaded_.options.max_batch_size, 1u, std::max(1u, loaded_.info.max_batch_size));
    loaded_.options.contexts = std::clamp(loaded_.info.contexts, 1u, load_options_.contexts);
    const auto &constructor = Env().GetInstanceData<AddonData>()->engine;
    try {
      Napi::Object result = Napi::Object::New(Env());
      result.Set("engine", constructor.New({Napi::External<Loaded>::New(Env(), &loaded_)}));
      result.Set("kernels", Napi::Buffer<uint8_t>::Copy(Env(), kernels_.data, kernels_.size));
      deferred_.Resolve(result);
    } catch (const Napi::Error &error) {
      deferred_.Reject(error.Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference plan_;
  /** Has the kernels of an earlier load. */
  Napi::ObjectReference kept_options_;
  Napi::ObjectReference cancel_;
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
  ed_bytes kernels_{};
  ed_model model_{};
  ed_load_options load_options_{};
  std::vector<float> anchors_;
  Loaded loaded_{};
  Message message_;
  ed_status status_ = ED_OK;
};

}  // namespace

Napi::Value LoadEngine(const Napi::CallbackInfo &info) { return Start(new LoadWorker(info)); }
