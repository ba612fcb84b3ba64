#pragma once

#include <napi.h>

#include <chrono>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine_threads.h"

/** loadEngine(library, plan: Uint8Array, model, options, cancel: Int32Array): Promise<{ engine, kernels }>. */
Napi::Value LoadEngine(const Napi::CallbackInfo &info);

/**
 * An engine as JavaScript sees it:
 *  - submit(id, data, planes, format, matrix, range, width, height, readiness, awaited, postprocess):
 * Promise<ArrayBuffer>; undefined if the queue is full
 *  - submitTo(context, id, frames, width, height, postprocess): a Promise<ArrayBuffer> for each frame, with ids from
 * that on; they run together in that context. undefined if it is closed
 *  - cancel(id): whether the job was still queued; its promise then never settles
 *  - close(): Promise that settles when everything queued has run and the engine is destroyed
 *  - allocate(bytes): an ArrayBuffer, zeroed, whose bytes `submit` does not copy; undefined without memory
 *  - abandon(): drops everything and waits for nothing
 *  - stats(): { queued, running, batches }
 *  - info(): { maxBatchSize, contexts, description, deviceBytes, graphs }, as it is now
 *
 * Lives while a job is pending, whoever forgets it. Without pending jobs it keeps no process alive, and collecting it
 * stops its threads.
 */
class Engine : public Napi::ObjectWrap<Engine> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit Engine(const Napi::CallbackInfo &info);
  ~Engine() override;

 private:
  /** What the engine's threads deliver to, on JavaScript's side. */
  struct Deliveries {
    Engine *engine;
  };
  static void Deliver(Napi::Env env, Napi::Function unused, Deliveries *deliveries, Outcome *outcome);
  using Channel = Napi::TypedThreadSafeFunction<Deliveries, Outcome, Deliver>;

  Napi::Value Submit(const Napi::CallbackInfo &info);
  Napi::Value SubmitTo(const Napi::CallbackInfo &info);
  Napi::Value Cancel(const Napi::CallbackInfo &info);
  Napi::Value Close(const Napi::CallbackInfo &info);
  Napi::Value Allocate(const Napi::CallbackInfo &info);
  void Abandon(const Napi::CallbackInfo &info);
  Napi::Value Stats(const Napi::CallbackInfo &info);
  Napi::Value Info(const Napi::CallbackInfo &info);

  Napi::Promise Await(Napi::Env env, uint64_t id);
  void Settle(Napi::Env env, std::unique_ptr<Outcome> outcome);
  void Forget(uint64_t id);
  /** Gives a job its frame's bytes, copied unless they lie in memory of `Allocate`. @return where they begin */
  const uint8_t *Fill(Job &job, const Napi::Uint8Array &data);
  /** Stops the threads, which have so long to end; those that do not are left behind. */
  void TearDown(std::chrono::milliseconds timeout);
  /** The environment is going. */
  static void OnCleanup(void *engine);
  /** This object is done. */
  void Release(std::chrono::milliseconds timeout);

  std::unique_ptr<EngineThreads> threads_;
  /** What the threads had done when they were stopped. */
  EngineThreads::Work done_;
  Channel channel_;
  Deliveries *deliveries_;
  std::unordered_map<uint64_t, Napi::Promise::Deferred> pending_;
  std::unique_ptr<Napi::Promise::Deferred> closing_;
};
