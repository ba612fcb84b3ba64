#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "frame_pipe.h"

/** openPipe(): [readEnd, writeEnd], file descriptors that children do not inherit by themselves. */
Napi::Value OpenPipe(const Napi::CallbackInfo &info);

/** closePipe(fd): gives one end back. Node's own `close` warns of a descriptor that it has not opened. */
void ClosePipe(const Napi::CallbackInfo &info);

/**
 * A FramePipe as JavaScript sees it, new FrameReader(fd, frameBytes, newestWins, onChange):
 *  - lend(data): memory for one frame
 *  - take(): [data, index, age in milliseconds], or null
 *  - state(): [end (0: none, 1: end of file, 2: error), the system's number, bytes of an unfinished frame, drops]
 *  - close(): ends the thread and gives all memory back
 *
 * Keeps the process alive until it is closed.
 */
class FrameReader : public Napi::ObjectWrap<FrameReader> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit FrameReader(const Napi::CallbackInfo &info);
  ~FrameReader() override;

 private:
  static void Deliver(Napi::Env env, Napi::Function on_change, void *no_context, void *no_data);
  using Channel = Napi::TypedThreadSafeFunction<void, void, Deliver>;

  void Lend(const Napi::CallbackInfo &info);
  Napi::Value Take(const Napi::CallbackInfo &info);
  Napi::Value GetState(const Napi::CallbackInfo &info);
  void Close(const Napi::CallbackInfo &info);

  /** The environment is going. */
  static void OnCleanup(void *self);
  void TearDown();

  Channel channel_;
  std::unique_ptr<FramePipe> pipe_;
  /** Memory that is lent, by its number. */
  std::unordered_map<uint32_t, Napi::ObjectReference> lent_;
  uint32_t next_slot_ = 0;
};
