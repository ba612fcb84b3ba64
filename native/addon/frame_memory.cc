#include "frame_memory.h"

#include <cstring>
#include <map>
#include <mutex>
#include <utility>

namespace {

using Memory = std::shared_ptr<const Staging>;

/** What JavaScript has, of all threads. */
class Living {
 public:
  static Living &Get() {
    // Never destroyed, for threads may outlive static destructors at exit.
    static auto *living = new Living;
    return *living;
  }

  void Add(const Memory &memory) {
    std::lock_guard<std::mutex> lock(mutex_);
    by_begin_[memory->data()] = memory;
  }

  Memory Find(const uint8_t *begin, size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto next = by_begin_.upper_bound(begin);
    if (next == by_begin_.begin()) return nullptr;
    const Memory &memory = (--next)->second;
    return begin + size <= memory->data() + memory->size() ? memory : nullptr;
  }

  void Remove(const Memory &memory) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_begin_.find(memory->data());
    if (found != by_begin_.end() && found->second == memory) by_begin_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::map<const uint8_t *, Memory> by_begin_;
};

/** The ArrayBuffer was collected, or detached a while ago: then the same place may be another frame's. */
void Finalize(napi_env, void *, void *hint) {
  const std::unique_ptr<std::weak_ptr<const Staging>> collected(static_cast<std::weak_ptr<const Staging> *>(hint));
  if (const Memory memory = collected->lock()) Living::Get().Remove(memory);
}

}  // namespace

Napi::ArrayBuffer NewFrameMemory(Napi::Env env, Staging staging) {
  const size_t size = staging.size();
  auto memory = std::make_shared<const Staging>(std::move(staging));
  // What an earlier frame left there is nobody's business.
  std::memset(memory->data(), 0, size);
  auto *hint = new std::weak_ptr<const Staging>(memory);
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, memory->data(), size, Finalize, hint, &buffer) != napi_ok) {
    // Electron keeps all memory of JavaScript in one place. Frames of such a buffer are copied.
    delete hint;
    return Napi::ArrayBuffer::New(env, size);
  }
  Living::Get().Add(memory);
  return {env, buffer};
}

std::shared_ptr<const Staging> FindFrameMemory(const uint8_t *begin, size_t size) {
  return Living::Get().Find(begin, size);
}

void DetachFrame(const Napi::CallbackInfo &info) {
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  const Memory memory = FindFrameMemory(static_cast<uint8_t *>(buffer.Data()), buffer.ByteLength());
  buffer.Detach();
  if (memory != nullptr) Living::Get().Remove(memory);
}
