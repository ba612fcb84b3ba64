#include "build_thread.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "builder.h"
#include "failure.h"
#include "log.h"
#include "progress.h"

namespace efficientdet {

namespace {

using namespace std::chrono_literals;

/** How often the caller looks at its cancel flag. */
constexpr auto kPollInterval = 20ms;
/** How long a cancelled build is waited for; with a look before it, less than a second. */
constexpr auto kTimeout = 800ms;
/** Reading the graph is so much of the whole. */
constexpr double kReading = 0.05;

/** Counts the threads that build, so that an exiting process can wait for those left behind. */
class Running {
 public:
  Running() {
    WaitAtExit();
    std::lock_guard<std::mutex> lock(Shared().mutex);
    Shared().count++;
  }

  /** On the thread, which counts until it is gone, with all that TensorRT keeps for each. */
  ~Running() {
    std::unique_lock<std::mutex> lock(Shared().mutex);
    Shared().count--;
    std::notify_all_at_thread_exit(Shared().changed, std::move(lock));
  }

  /**
   * Has the process wait before it destroys what TensorRT has made until now, as handlers run in reverse order.
   * Builds left behind need it again.
   */
  static void WaitAtExit() { std::atexit(Wait); }

  Running(const Running &) = delete;
  Running &operator=(const Running &) = delete;

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int count = 0;
  };

  /** Never destroyed, for threads may outlive static destructors. */
  static State &Shared() {
    static auto *state = new State;
    return *state;
  }

  static void Wait() {
    std::unique_lock<std::mutex> lock(Shared().mutex);
    Shared().changed.wait(lock, [] { return Shared().count == 0; });
  }
};

/** One build, which its thread and its caller share, for the caller may leave first. */
struct Build {
  struct Line {
    ed_severity severity;
    std::string text;
  };

  BuildRequest request;
  std::atomic<bool> cancelled{false};

  std::mutex mutex;
  std::condition_variable changed;
  double fraction = 0;
  std::string phase = "Reading the graph";
  bool has_progress = true;
  std::deque<Line> lines;
  bool ended = false;
  /** Once it has ended, one of these. */
  BuiltEngine built;
  std::exception_ptr failure;

  void Run() {
    BuiltEngine engine;
    std::exception_ptr thrown;
    try {
      Progress progress([this](double part, const char *name) { OnProgress(kReading + (1 - kReading) * part, name); },
                        cancelled);
      LogListener log([this](ed_severity severity, const char *line) { OnLog(severity, line); });
      engine = BuildEngine(request, progress, log);
    } catch (...) {
      thrown = std::current_exception();
    }
    std::lock_guard<std::mutex> lock(mutex);
    built = std::move(engine);
    failure = thrown;
    ended = true;
    changed.notify_all();
  }

  void OnProgress(double part, const char *name) {
    std::lock_guard<std::mutex> lock(mutex);
    fraction = part;
    phase = name;
    has_progress = true;
    changed.notify_all();
  }

  void OnLog(ed_severity severity, const char *line) {
    std::lock_guard<std::mutex> lock(mutex);
    lines.push_back({severity, line});
    changed.notify_all();
  }
};

BuildRequest RequestOf(const uint8_t *onnx, size_t size, const ed_build_options &options) {
  BuildRequest request;
  request.onnx.assign(onnx, onnx + size);
  request.max_batch_size = options.max_batch_size;
  request.device = options.device;
  request.targets.assign(options.targets, options.targets + options.target_count);
  request.workspace_bytes = options.workspace_bytes;
  request.optimisation_level = options.optimisation_level;
  request.tf32 = options.tf32 != 0;
  request.version_compatible = options.version_compatible != 0;
  request.hardware_compatible = options.hardware_compatible != 0;
  if (options.timing_cache != nullptr) {
    request.timing_cache.assign(options.timing_cache, options.timing_cache + options.timing_cache_size);
  }
  request.wants_timing_cache = options.timing_cache_out != nullptr;
  return request;
}

/** Emits to the caller what is new, without the lock: its functions may take their time. */
void Emit(Build &build, std::unique_lock<std::mutex> &lock, const ed_build_options &options) {
  const std::deque<Build::Line> lines = std::move(build.lines);
  build.lines.clear();
  const bool has_progress = build.has_progress;
  build.has_progress = false;
  const double fraction = build.fraction;
  const std::string phase = build.phase;
  lock.unlock();
  if (options.log != nullptr) {
    for (const Build::Line &line : lines) options.log(options.log_context, line.severity, line.text.c_str());
  }
  if (options.progress != nullptr && has_progress) {
    options.progress(options.progress_context, static_cast<float>(fraction), phase.c_str());
  }
  lock.lock();
}

}  // namespace

ed_bytes CopyBytes(const void *data, size_t size) {
  ed_bytes bytes{static_cast<uint8_t *>(std::malloc(size)), size};
  if (bytes.data == nullptr) throw std::bad_alloc();
  std::memcpy(bytes.data, data, size);
  return bytes;
}

void BuildOnThread(const uint8_t *onnx, size_t size, const ed_build_options &options, ed_bytes *plan) {
  const auto build = std::make_shared<Build>();
  build->request = RequestOf(onnx, size, options);
  auto running = std::make_unique<Running>();
  std::thread thread([build = build, running = std::move(running)]() mutable {
    build->Run();
    // Before `running`: a process may exit as soon as nothing runs.
    build.reset();
    running.reset();
  });

  std::unique_lock<std::mutex> lock(build->mutex);
  auto leave = std::chrono::steady_clock::time_point::max();
  while (!build->ended && std::chrono::steady_clock::now() < leave) {
    build->changed.wait_for(lock, kPollInterval);
    if (!build->cancelled && __atomic_load_n(options.cancel, __ATOMIC_RELAXED) != 0) {
      build->cancelled = true;
      leave = std::chrono::steady_clock::now() + kTimeout;
    }
    Emit(*build, lock, options);
  }
  const bool ended = build->ended;
  lock.unlock();
  if (ended) {
    thread.join();
  } else {
    Running::WaitAtExit();
    thread.detach();
  }
  if (build->cancelled) throw Failure{ED_CANCELLED, "The build was cancelled."};
  if (build->failure != nullptr) std::rethrow_exception(build->failure);

  const BuiltEngine &built = build->built;
  const ed_bytes bytes = CopyBytes(built.plan->data(), built.plan->size());
  std::unique_ptr<uint8_t, decltype(&std::free)> guard(bytes.data, std::free);
  if (built.timing_cache != nullptr) {
    *options.timing_cache_out = CopyBytes(built.timing_cache->data(), built.timing_cache->size());
  }
  static_cast<void>(guard.release());
  *plan = bytes;
  if (options.progress != nullptr) options.progress(options.progress_context, 1, "Done");
}

}  // namespace efficientdet
