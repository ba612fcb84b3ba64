#include "frame_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "message.h"
#include "status.h"

/** Bytes of a pipe's buffer: the most that Linux gives to anybody. Fewer, longer reads. */
static constexpr int kPipeBytes = 1 << 20;

Napi::Value OpenPipe(const Napi::CallbackInfo &info) {
  int ends[2];
  if (pipe(ends) != 0) throw Napi::Error::New(info.Env(), std::strerror(errno));
  for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
#ifdef F_SETPIPE_SZ
  // A wish: users have limits.
  fcntl(ends[0], F_SETPIPE_SZ, kPipeBytes);
#endif
  Napi::Array fds = Napi::Array::New(info.Env(), 2);
  fds.Set(uint32_t{0}, ends[0]);
  fds.Set(uint32_t{1}, ends[1]);
  return fds;
}

void ClosePipe(const Napi::CallbackInfo &info) { close(info[0].As<Napi::Number>().Int32Value()); }

Napi::Function FrameReader::Define(Napi::Env env) {
  return DefineClass(env, "FrameReader",
                     {InstanceMethod<&FrameReader::Lend>("lend"), InstanceMethod<&FrameReader::Take>("take"),
                      InstanceMethod<&FrameReader::GetState>("state"), InstanceMethod<&FrameReader::Close>("close")});
}

FrameReader::FrameReader(const Napi::CallbackInfo &info) : Napi::ObjectWrap<FrameReader>(info) {
  const int fd = info[0].As<Napi::Number>();
  const auto frame_bytes = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  // A single place in the queue: a call that waits tells of all that has changed until it is made.
  channel_ = Channel::New(info.Env(), info[3].As<Napi::Function>(), "efficientdet-trt frames", 1, 1);
  const auto on_change = [channel = channel_] { channel.NonBlockingCall(); };
  try {
    pipe_ = std::make_unique<FramePipe>(fd, frame_bytes, info[2].As<Napi::Boolean>(), on_change);
  } catch (const std::system_error &error) {
    close(fd);
    channel_.Release();
    throw ErrorOf(info.Env(), ED_FAILED, kNoThread + std::string(error.what()));
  }
  // Hooks run in the reverse order of their making: this one before the channel's own.
  napi_add_env_cleanup_hook(info.Env(), OnCleanup, this);
}

FrameReader::~FrameReader() {
  if (pipe_ == nullptr) return;
  napi_remove_env_cleanup_hook(Env(), OnCleanup, this);
  TearDown();
}

void FrameReader::OnCleanup(void *self) { static_cast<FrameReader *>(self)->TearDown(); }

void FrameReader::TearDown() {
  pipe_ = nullptr;
  lent_.clear();
  channel_.Release();
}

void FrameReader::Deliver(Napi::Env env, Napi::Function on_change, void *, void *) {
  // Without an environment this is a clean-up.
  if (env != nullptr) on_change.Call({});
}

void FrameReader::Lend(const Napi::CallbackInfo &info) {
  if (pipe_ == nullptr) return;
  auto data = info[0].As<Napi::Uint8Array>();
  const uint32_t slot = next_slot_++;
  lent_[slot] = Napi::Persistent(info[0].As<Napi::Object>());
  pipe_->Lend(slot, data.Data());
}

Napi::Value FrameReader::Take(const Napi::CallbackInfo &info) {
  FramePipe::Frame frame;
  if (pipe_ == nullptr || !pipe_->Take(&frame)) return info.Env().Null();
  const std::chrono::duration<double, std::milli> age = FramePipe::Clock::now() - frame.read_at;
  Napi::Array taken = Napi::Array::New(info.Env(), 3);
  taken.Set(uint32_t{0}, lent_[frame.slot].Value());
  taken.Set(uint32_t{1}, static_cast<double>(frame.index));
  taken.Set(uint32_t{2}, age.count());
  lent_.erase(frame.slot);
  return taken;
}

Napi::Value FrameReader::GetState(const Napi::CallbackInfo &info) {
  if (pipe_ == nullptr) return info.Env().Null();
  const FramePipe::State state = pipe_->GetState();
  Napi::Array facts = Napi::Array::New(info.Env(), 4);
  facts.Set(uint32_t{0}, static_cast<int>(state.end));
  facts.Set(uint32_t{1}, state.error);
  facts.Set(uint32_t{2}, static_cast<double>(state.rest));
  facts.Set(uint32_t{3}, static_cast<double>(state.drops));
  return facts;
}

void FrameReader::Close(const Napi::CallbackInfo &info) {
  if (pipe_ == nullptr) return;
  napi_remove_env_cleanup_hook(info.Env(), OnCleanup, this);
  TearDown();
}
