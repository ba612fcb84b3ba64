#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "emulation.h"
#include "kernels.h"

/*
 * One lock holds for everything: work of different streams never runs at the same time here, only in any order that
 * events and synchronisation allow.
 */

namespace {

using Clock = std::chrono::steady_clock;

/** Bytes that nobody has written yet: a NaN as float32. */
constexpr int kGarbage = 0xff;

/** Something that a stream does. */
struct Work {
  std::function<void()> run;
  /** Host memory that this writes: nobody may read it before. */
  void *target = nullptr;
  size_t target_size = 0;
};

using Graph = std::vector<Work>;

}  // namespace

struct CUgraph_st {
  Graph work;
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  bool invalid = false;
  /** Streams that joined the capture, and whether the origin still has to wait for what they do. */
  std::map<cudaStream_t, bool> branches;
};

struct CUgraphExec_st {
  std::shared_ptr<const Graph> work;
};

struct CUstream_st {
  int device = 0;
  std::deque<Work> queue;
  /** Numbers of the last work that was put in and that was done. */
  uint64_t issued = 0;
  uint64_t done = 0;
  cudaGraph_t capture = nullptr;
};

namespace {

/** Outlives its handle while work refers to it. */
struct EventState {
  bool timed = true;
  bool sleeps = false;
  bool recorded = false;
  /** The work of a stream at whose end it happens, or the branch of a capture. */
  cudaStream_t stream = nullptr;
  uint64_t ticket = 0;
  cudaGraph_t capture = nullptr;
  Clock::time_point time;
};

}  // namespace

struct CUevent_st {
  std::shared_ptr<EventState> state;
};

namespace {

enum class Place { kDevice, kHost };

struct Allocation {
  size_t size;
  Place place;
  int device;
};

struct Runtime {
  std::recursive_mutex mutex;
  emulation::Schedule schedule = emulation::Schedule::kLate;
  int devices = 1;
  int capability = 89;
  bool integrated = false;
  size_t memory = size_t{8} << 30;
  std::set<int> contexts;
  std::function<void()> on_capture;
  size_t busy_waits = 0;
  size_t bytes_to_device = 0;
  int driver = std::getenv("EMULATED_DRIVER") == nullptr ? CUDART_VERSION : std::atoi(std::getenv("EMULATED_DRIVER"));
  std::map<uintptr_t, Allocation> allocations;
  CUstream_st null_stream;
  std::set<cudaStream_t> streams{&null_stream};
  std::set<cudaEvent_t> events;
  std::set<cudaGraph_t> graphs;
  std::set<cudaGraphExec_t> executables;
  std::set<cudaGraph_t> captures;
  size_t calls = 0;
  size_t countdown = 0;
  cudaError_t planned = cudaSuccess;
  /** From what a device does not recover, by its number. */
  std::map<int, cudaError_t> lost;
};

Runtime &Get() {
  static auto *runtime = new Runtime;
  return *runtime;
}

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;
/** Captures of other modes than relaxed that this thread began. */
thread_local std::set<cudaGraph_t> own_captures;

[[noreturn]] void Fail(const char *what) {
  std::fprintf(stderr, "CUDA emulation: %s\n", what);
  std::abort();
}

/** What leaves a device unusable to the process (see CUDA's list of its errors). */
bool IsSticky(cudaError_t error) { return error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure; }

cudaError_t Report(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

/** What a call concerns that asks for nothing of a device. */
constexpr int kNoDevice = -1;

/** Holds the lock, and says how a call that concerns a device fails before it does anything. */
class Call {
 public:
  explicit Call(int device = current_device) : runtime_(Get()), lock_(runtime_.mutex) {
    ++runtime_.calls;
    if (runtime_.countdown > 0 && --runtime_.countdown == 0) {
      error_ = runtime_.planned;
      if (IsSticky(error_) && device != kNoDevice) Lose(device);
    }
    if (const auto lost = runtime_.lost.find(device); lost != runtime_.lost.end()) error_ = lost->second;
    if (runtime_.driver < CUDART_VERSION) error_ = cudaErrorInsufficientDriver;
    if (error_ == cudaSuccess && runtime_.devices == 0) error_ = cudaErrorNoDevice;
    if (error_ == cudaSuccess && device >= 0 && device < runtime_.devices) runtime_.contexts.insert(device);
    if (error_ != cudaSuccess) last_error = error_;
  }

  Runtime *operator->() const { return &runtime_; }
  cudaError_t error() const { return error_; }

  /** Calls that may wait or allocate spoil captures that are under way. */
  cudaError_t Unsafe() {
    if (error_ != cudaSuccess) return error_;
    for (const cudaGraph_t capture : runtime_.captures) {
      const bool forbids = capture->mode == cudaStreamCaptureModeGlobal || own_captures.count(capture) > 0;
      if (forbids && capture->mode != cudaStreamCaptureModeRelaxed) {
        capture->invalid = true;
        error_ = Report(cudaErrorStreamCaptureUnsupported);
      }
    }
    return error_;
  }

 private:
  void Lose(int device) {
    runtime_.lost.emplace(device, error_);
    for (const cudaStream_t stream : runtime_.streams) {
      if (stream->device != device) continue;
      stream->queue.clear();
      stream->done = stream->issued;
    }
  }

  Runtime &runtime_;
  std::unique_lock<std::recursive_mutex> lock_;
  cudaError_t error_ = cudaSuccess;
};

void RunUntil(cudaStream_t stream, uint64_t ticket) {
  while (stream->done < ticket) {
    const Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    work.run();
    ++stream->done;
  }
}

void RunAll() {
  for (const cudaStream_t stream : Get().streams) RunUntil(stream, stream->issued);
}

cudaStream_t StreamOf(cudaStream_t stream) {
  if (stream == nullptr) return &Get().null_stream;
  if (Get().streams.count(stream) == 0) Fail("a stream is used that does not exist.");
  return stream;
}

int DeviceOf(cudaStream_t stream) {
  std::lock_guard lock(Get().mutex);
  return stream == nullptr ? current_device : StreamOf(stream)->device;
}

cudaEvent_t EventOf(cudaEvent_t event) {
  if (Get().events.count(event) == 0) Fail("an event is used that does not exist.");
  return event;
}

cudaError_t Enqueue(cudaStream_t stream, Work work) {
  stream = StreamOf(stream);
  if (cudaGraph_t capture = stream->capture; capture != nullptr) {
    if (capture->invalid) return Report(cudaErrorStreamCaptureInvalidated);
    if (stream != capture->origin) capture->branches[stream] = true;
    capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  if (work.target != nullptr) std::memset(work.target, kGarbage, work.target_size);
  stream->queue.push_back(std::move(work));
  ++stream->issued;
  if (Get().schedule == emulation::Schedule::kAtOnce) RunUntil(stream, stream->issued);
  return cudaSuccess;
}

/** The allocation that holds all of a range, or null. */
const Allocation *Find(const void *memory, size_t size) {
  const auto address = reinterpret_cast<uintptr_t>(memory);
  auto next = Get().allocations.upper_bound(address);
  if (next == Get().allocations.begin()) return nullptr;
  const auto &[begin, allocation] = *--next;
  return address + size <= begin + allocation.size ? &allocation : nullptr;
}

bool IsAt(Place place, const void *memory, size_t size) {
  const Allocation *allocation = Find(memory, size);
  return allocation != nullptr && allocation->place == place;
}

cudaError_t Allocate(void **memory, size_t size, Place place) {
  Call call;
  if (call.Unsafe() != cudaSuccess) return call.error();
  if (size == 0) {
    *memory = nullptr;
    return cudaSuccess;
  }
  *memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
  if (*memory == nullptr) return Report(cudaErrorMemoryAllocation);
  std::memset(*memory, kGarbage, size);
  call->allocations[reinterpret_cast<uintptr_t>(*memory)] = {size, place, current_device};
  return cudaSuccess;
}

/** Gives the memory back also where the call fails: nobody would try again. */
cudaError_t Free(void *memory, Place place) {
  Call call;
  if (memory == nullptr) return call.error();
  RunAll();
  const auto found = call->allocations.find(reinterpret_cast<uintptr_t>(memory));
  if (found == call->allocations.end() || found->second.place != place) Fail("memory is freed that was not allocated.");
  call->allocations.erase(found);
  std::free(memory);
  return call.Unsafe();
}

/** Whether both ends lie where the kind says. */
bool CanCopy(void *to, const void *from, size_t size, cudaMemcpyKind kind) {
  const bool to_device = IsAt(Place::kDevice, to, size);
  const bool from_device = IsAt(Place::kDevice, from, size);
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !to_device && !from_device;
    case cudaMemcpyHostToDevice:
      return to_device && !from_device;
    case cudaMemcpyDeviceToHost:
      return !to_device && from_device;
    case cudaMemcpyDeviceToDevice:
      return to_device && from_device;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

void Copy(void *to, const void *from, size_t size, cudaMemcpyKind kind) {
  if (!CanCopy(to, from, size, kind)) Fail("a copy's memory was freed before it ran.");
  std::memcpy(to, from, size);
}

}  // namespace

namespace emulation {

void SetSchedule(Schedule schedule) {
  std::lock_guard lock(Get().mutex);
  Get().schedule = schedule;
}

void FailCall(size_t countdown, cudaError_t error) {
  std::lock_guard lock(Get().mutex);
  Get().countdown = countdown;
  Get().planned = error;
}

void SetComputeCapability(int capability) {
  std::lock_guard lock(Get().mutex);
  Get().capability = capability;
}

bool HasContext(int device) {
  std::lock_guard lock(Get().mutex);
  return Get().contexts.count(device) > 0;
}

void ForgetContexts() {
  std::lock_guard lock(Get().mutex);
  Get().contexts.clear();
}

void SetMemory(size_t bytes) {
  std::lock_guard lock(Get().mutex);
  Get().memory = bytes;
}

size_t FreeBytes(int device) {
  std::lock_guard lock(Get().mutex);
  if (device < 0 || device >= Get().devices) return 0;
  size_t free_bytes = Get().memory;
  for (const auto &[address, allocation] : Get().allocations) {
    if (allocation.place == Place::kDevice && allocation.device == device) free_bytes -= allocation.size;
  }
  return free_bytes;
}

void OnCapture(std::function<void()> listener) {
  std::lock_guard lock(Get().mutex);
  Get().on_capture = std::move(listener);
}

size_t Calls() {
  std::lock_guard lock(Get().mutex);
  return Get().calls;
}

void Revive() {
  std::lock_guard lock(Get().mutex);
  Get().lost.clear();
  Get().countdown = 0;
}

void SetDeviceCount(int count) {
  std::lock_guard lock(Get().mutex);
  Get().devices = count;
}

void SetIntegrated(bool integrated) {
  std::lock_guard lock(Get().mutex);
  Get().integrated = integrated;
}

size_t BusyWaits() {
  std::lock_guard lock(Get().mutex);
  return Get().busy_waits;
}

size_t BytesToDevice() {
  std::lock_guard lock(Get().mutex);
  return Get().bytes_to_device;
}

void SetDriverVersion(int version) {
  std::lock_guard lock(Get().mutex);
  Get().driver = version;
}

Live CountLive() {
  Runtime &runtime = Get();
  std::lock_guard lock(runtime.mutex);
  Live live{};
  for (const auto &[address, allocation] : runtime.allocations) {
    if (allocation.place == Place::kHost) {
      ++live.host_allocations;
    } else {
      ++live.device_allocations;
      live.device_bytes += allocation.size;
    }
  }
  live.streams = runtime.streams.size() - 1;
  live.events = runtime.events.size();
  live.graphs = runtime.graphs.size();
  live.executables = runtime.executables.size();
  return live;
}

cudaError_t FindKernel(cudaFuncAttributes *attributes, const void *) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  constexpr int kOldest = 75;
  if (call->capability < kOldest) return Report(cudaErrorNoKernelImageForDevice);
  *attributes = {};
  return cudaSuccess;
}

cudaError_t Launch(const cudaLaunchConfig_t &config, std::function<void()> body) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  if (DeviceOf(config.stream) != current_device) return Report(cudaErrorInvalidResourceHandle);
  const dim3 grid = config.gridDim;
  const dim3 block = config.blockDim;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  // CUDA's limits (programming guide, "compute capabilities").
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
    return Report(cudaErrorInvalidConfiguration);
  }
  return Enqueue(config.stream, {[grid, block, body = std::move(body)] { RunKernel(grid, block, body); }});
}

}  // namespace emulation

extern "C" {

const char *cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    default:
      return "cudaErrorUnknown";
  }
}

const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "emulated error";
  }
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaDriverGetVersion(int *version) {
  std::lock_guard lock(Get().mutex);
  *version = Get().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
  Call call(kNoDevice);
  *count = call->devices;
  return call.error();
}

cudaError_t cudaGetDevice(int *device) {
  Call call(kNoDevice);
  *device = current_device;
  return call.error();
}

/** A device that was lost can be chosen: what is asked of it then fails. */
cudaError_t cudaSetDevice(int device) {
  std::lock_guard lock(Get().mutex);
  const bool was_lost = Get().lost.count(device) > 0;
  Call call(device);
  if (call.error() != cudaSuccess && !was_lost) return call.error();
  if (device < 0 || device >= call->devices) return Report(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  Call call(kNoDevice);
  if (call.error() != cudaSuccess) return call.error();
  if (device < 0 || device >= call->devices) return Report(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "CUDA emulation");
  // Another one for each device.
  for (int i = 0; i < 16; i++) properties->uuid.bytes[i] = static_cast<char>(0x8f + 16 * i + device);
  properties->totalGlobalMem = call->memory;
  properties->major = call->capability / 10;
  properties->minor = call->capability % 10;
  properties->multiProcessorCount = 4;
  properties->integrated = call->integrated ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrIntegrated:
      *value = properties.integrated;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
  }
  return Report(cudaErrorInvalidValue);
}

/** Spoils what is captured on any stream of the device, by whichever thread and in whichever mode. */
cudaError_t cudaDeviceSynchronize() {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  bool captures = false;
  for (const cudaGraph_t capture : call->captures) {
    if (capture->origin->device != current_device) continue;
    capture->invalid = captures = true;
  }
  if (captures) return Report(cudaErrorStreamCaptureUnsupported);
  ++call->busy_waits;
  RunAll();
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  *free_bytes = emulation::FreeBytes(current_device);
  *total_bytes = call->memory;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t size) { return Allocate(memory, size, Place::kDevice); }
cudaError_t cudaFree(void *memory) { return Free(memory, Place::kDevice); }
cudaError_t cudaHostAlloc(void **memory, size_t size, unsigned) { return Allocate(memory, size, Place::kHost); }
cudaError_t cudaMallocHost(void **memory, size_t size) { return Allocate(memory, size, Place::kHost); }
cudaError_t cudaFreeHost(void *memory) { return Free(memory, Place::kHost); }

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *pointer) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  const Allocation *allocation = Find(pointer, 1);
  const bool on_device = allocation != nullptr && allocation->place == Place::kDevice;
  attributes->type = allocation == nullptr ? cudaMemoryTypeUnregistered
                     : on_device           ? cudaMemoryTypeDevice
                                           : cudaMemoryTypeHost;
  attributes->device = allocation == nullptr ? 0 : allocation->device;
  // As on hardware, all pinned memory has the same address on both sides.
  attributes->devicePointer = allocation == nullptr ? nullptr : const_cast<void *>(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t size, cudaMemcpyKind kind) {
  Call call;
  if (call.Unsafe() != cudaSuccess) return call.error();
  if (!CanCopy(to, from, size, kind)) return Report(cudaErrorInvalidValue);
  RunUntil(&call->null_stream, call->null_stream.issued);
  std::memcpy(to, from, size);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, cudaMemcpyKind kind, cudaStream_t stream) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess || size == 0) return call.error();
  if (!CanCopy(to, from, size, kind)) return Report(cudaErrorInvalidValue);
  if (IsAt(Place::kDevice, to, size)) call->bytes_to_device += size;
  const bool from_pageable = Find(from, size) == nullptr;
  const bool to_pageable = Find(to, size) == nullptr;
  if (from_pageable) {
    // Read before the call returns.
    const auto *bytes = static_cast<const char *>(from);
    return Enqueue(stream, {[to, copy = std::vector<char>(bytes, bytes + size)] {
                     if (Find(to, copy.size()) == nullptr) Fail("a copy's memory was freed before it ran.");
                     std::memcpy(to, copy.data(), copy.size());
                   }});
  }
  const bool to_host = !IsAt(Place::kDevice, to, size);
  const cudaError_t error =
      Enqueue(stream, {[=] { Copy(to, from, size, kind); }, to_host ? to : nullptr, to_host ? size : 0});
  // Written before the call returns.
  if (to_pageable && StreamOf(stream)->capture == nullptr) RunUntil(StreamOf(stream), StreamOf(stream)->issued);
  return error;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t size, cudaStream_t stream) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess || size == 0) return call.error();
  if (!IsAt(Place::kDevice, memory, size)) return Report(cudaErrorInvalidValue);
  return Enqueue(stream, {[=] {
                   if (!IsAt(Place::kDevice, memory, size)) Fail("memory was freed before it was set.");
                   std::memset(memory, value, size);
                 }});
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  *stream = new CUstream_st;
  (*stream)->device = current_device;
  call->streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Call call(DeviceOf(stream));
  RunUntil(StreamOf(stream), stream->issued);
  call->streams.erase(stream);
  delete stream;
  return call.error();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess) return call.error();
  stream = StreamOf(stream);
  if (stream->capture != nullptr) {
    stream->capture->invalid = true;
    return Report(cudaErrorStreamCaptureUnsupported);
  }
  ++call->busy_waits;
  RunUntil(stream, stream->issued);
  return cudaSuccess;
}

/** Whoever asks again and again must be told yes at last: asking runs one piece of work. */
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess) return call.error();
  stream = StreamOf(stream);
  if (stream->done == stream->issued) return cudaSuccess;
  RunUntil(stream, stream->done + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess) return call.error();
  stream = StreamOf(stream);
  const EventState &state = *EventOf(event)->state;
  if (cudaGraph_t capture = state.capture; capture != nullptr) {
    if (stream->capture != nullptr && stream->capture != capture) return Report(cudaErrorStreamCaptureUnsupported);
    stream->capture = capture;
    if (stream != capture->origin) capture->branches[stream] = true;
    if (state.stream != capture->origin) capture->branches[state.stream] = false;
    return cudaSuccess;
  }
  if (!state.recorded) return cudaSuccess;
  return Enqueue(stream, {[from = state.stream, ticket = state.ticket] {
                   // A stream that was destroyed has done everything.
                   if (Get().streams.count(from) > 0) RunUntil(from, ticket);
                 }});
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  *event = new CUevent_st{std::make_shared<EventState>()};
  (*event)->state->timed = (flags & cudaEventDisableTiming) == 0;
  (*event)->state->sleeps = (flags & cudaEventBlockingSync) != 0;
  call->events.insert(*event);
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Call call;
  call->events.erase(EventOf(event));
  delete event;
  return call.error();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess) return call.error();
  stream = StreamOf(stream);
  const std::shared_ptr<EventState> state = EventOf(event)->state;
  if (stream->capture != nullptr) {
    if ((flags & cudaEventRecordExternal) != 0) {
      // Happens anew whenever the graph runs, in whichever stream that is.
      state->recorded = true;
      return Enqueue(stream, {[state] { state->time = Clock::now(); }});
    }
    state->capture = stream->capture;
    state->stream = stream;
    return cudaSuccess;
  }
  *state = {state->timed, state->sleeps, true, stream, stream->issued + 1, nullptr, {}};
  return Enqueue(stream, {[state] { state->time = Clock::now(); }});
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  const EventState &state = *EventOf(event)->state;
  if (state.capture != nullptr) return Report(cudaErrorStreamCaptureUnsupported);
  if (!state.sleeps) ++call->busy_waits;
  if (state.stream != nullptr && call->streams.count(state.stream) > 0) RunUntil(state.stream, state.ticket);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  const EventState &state = *EventOf(event)->state;
  if (state.stream == nullptr || call->streams.count(state.stream) == 0) return cudaSuccess;
  if (state.stream->done >= state.ticket) return cudaSuccess;
  RunUntil(state.stream, state.stream->done + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  const EventState &from = *EventOf(begin)->state;
  const EventState &to = *EventOf(end)->state;
  if (!from.timed || !to.timed || !from.recorded || !to.recorded) return Report(cudaErrorInvalidResourceHandle);
  if (from.time == Clock::time_point() || to.time == Clock::time_point()) return Report(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(to.time - from.time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  std::function<void()> listener;
  {
    Call call(DeviceOf(stream));
    if (call.error() != cudaSuccess) return call.error();
    // The default stream cannot be captured.
    if (stream == nullptr || StreamOf(stream)->capture != nullptr) return Report(cudaErrorStreamCaptureUnsupported);
    auto *graph = new CUgraph_st;
    graph->origin = stream;
    graph->mode = mode;
    stream->capture = graph;
    call->captures.insert(graph);
    own_captures.insert(graph);
    listener = std::exchange(call->on_capture, nullptr);
  }
  if (listener != nullptr) listener();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess) return call.error();
  const cudaGraph_t capture = StreamOf(stream)->capture;
  *status = capture == nullptr ? cudaStreamCaptureStatusNone
            : capture->invalid ? cudaStreamCaptureStatusInvalidated
                               : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

/** Ends the capture also where the call fails. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  Call call(DeviceOf(stream));
  *graph = nullptr;
  cudaGraph_t capture = StreamOf(stream)->capture;
  if (capture == nullptr || capture->origin != stream) return Report(cudaErrorStreamCaptureUnmatched);
  bool joined = true;
  stream->capture = nullptr;
  for (const auto &[branch, open] : capture->branches) {
    branch->capture = nullptr;
    joined = joined && !open;
  }
  for (const cudaEvent_t event : call->events) {
    if (event->state->capture == capture) event->state->capture = nullptr;
  }
  call->captures.erase(capture);
  own_captures.erase(capture);
  cudaError_t error = call.error();
  if (error == cudaSuccess && capture->invalid) error = cudaErrorStreamCaptureInvalidated;
  if (error == cudaSuccess && !joined) error = cudaErrorStreamCaptureUnjoined;
  if (error != cudaSuccess) {
    delete capture;
    return Report(error);
  }
  call->graphs.insert(capture);
  *graph = capture;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  Call call;
  if (call->graphs.erase(graph) == 0) Fail("a graph is destroyed that does not exist.");
  delete graph;
  return call.error();
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
  Call call;
  if (call.error() != cudaSuccess) return call.error();
  *executable = new CUgraphExec_st{std::make_shared<const Graph>(graph->work)};
  call->executables.insert(*executable);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  Call call;
  if (call->executables.erase(executable) == 0) Fail("a graph is destroyed that does not exist.");
  delete executable;
  return call.error();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  Call call(DeviceOf(stream));
  if (call.error() != cudaSuccess) return call.error();
  if (call->executables.count(executable) == 0) Fail("a graph is launched that does not exist.");
  for (const Work &work : *executable->work) {
    if (work.target != nullptr) std::memset(work.target, kGarbage, work.target_size);
  }
  return Enqueue(stream, {[graph = executable->work] {
                   for (const Work &work : *graph) work.run();
                 }});
}

}  // extern "C"
