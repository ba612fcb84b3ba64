#include "engine_threads.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <system_error>
#include <utility>

#include "message.h"
#include "shared_copy.h"

using Clock = std::chrono::steady_clock;

namespace {

/** How long a thread stays awake for the job of a frame that it has helped to copy. */
constexpr std::chrono::microseconds kJobFollows{100};
/** Memory for frames that was not needed for so long goes back. */
constexpr std::chrono::seconds kTrimInterval{1};

float MillisecondsBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<float, std::milli>(to - from).count();
}

/** Whether a backend's answer can be what the contract promises. */
bool IsSound(const ed_result &result, uint32_t classes) {
  if (result.count > result.capacity) return false;
  return std::all_of(result.detections, result.detections + result.count, [&](const ed_detection &detection) {
    return std::isfinite(detection.x1) && std::isfinite(detection.y1) && detection.x1 <= detection.x2 &&
           detection.y1 <= detection.y2 && std::isfinite(detection.x2) && std::isfinite(detection.y2) &&
           detection.score >= 0 && detection.score <= 1 && detection.class_id < classes;
  });
}

}  // namespace

struct EngineThreads::State {
  /** Jobs that run together, and where. */
  struct Batch {
    uint32_t context = 0;
    /** Whether the caller made it. */
    bool made = false;
    std::vector<std::unique_ptr<Job>> jobs;
  };

  const ed_backend *backend;
  ed_engine *engine;
  Options options;
  Deliver deliver;
  std::shared_ptr<StagingPool> staging;

  /** One for each context: held while a batch runs there, for batches may name that of a thread which runs another. */
  std::unique_ptr<std::mutex[]> context_locks;
  /** Guards all below. */
  std::mutex mutex;
  /** There is work for a thread, or the threads shall end. */
  std::condition_variable wake;
  /** The queue has grown under the thread that collects a batch, or the threads shall end. */
  std::condition_variable grown;
  /** All threads have ended. */
  std::condition_variable ended;
  std::deque<std::unique_ptr<Job>> queue;
  /** Batches that were made by the caller, who said where they run. */
  std::deque<Batch> made;
  /** Whether a thread waits for more jobs to run with those queued, which are its own meanwhile. */
  bool collecting = false;
  size_t running = 0;
  /** Batches of 1, 2, … jobs that have run. */
  std::vector<uint64_t> batches;
  /** Callers that were seen at the same time when the last batch ended. */
  size_t callers = 1;
  /** A frame's copy that has work for another thread. */
  SharedCopy *copy = nullptr;
  /** Threads that have helped with a copy and stay awake for its job. */
  size_t awake = 0;
  /** Counts what threads that stay awake look for; written under the lock, read without. */
  std::atomic<uint64_t> events{0};
  Clock::time_point next_trim;
  bool closed = false;
  bool stopped = false;
  size_t threads = 0;

  void Run(uint32_t context) {
    Batch batch;
    while (Take(context, batch)) {
      auto outcomes = Infer(batch);
      const size_t count = batch.jobs.size();
      // Before the answers: whoever hears them may have the next frame, for which this memory is.
      batch.jobs.clear();
      std::lock_guard<std::mutex> lock(mutex);
      running -= count;
      if (!batch.made) {
        callers = count + running + queue.size();
        batches[count - 1]++;
      }
      // Whoever stops the threads is about to go, and waits for them no longer than it was told to.
      if (stopped) outcomes.clear();
      // Delivered under the lock, so that nothing is delivered once `stopped` is set.
      for (auto &outcome : outcomes) deliver(std::move(outcome));
    }
    End();
  }

  void End() {
    std::unique_lock<std::mutex> lock(mutex);
    if (threads > 1) {
      threads--;
      return;
    }
    ed_engine *const last = std::exchange(engine, nullptr);
    lock.unlock();
    backend->destroy(last);
    staging->Close();
    lock.lock();
    if (!stopped) deliver(nullptr);
    threads = 0;
    ended.notify_all();
  }

  bool Ends() const { return stopped || closed; }
  /** Whether jobs wait that no other thread is about to take. */
  bool HasBatch() const { return !made.empty() || (!queue.empty() && !collecting); }

  /** Has a thread come for what is new, unless one is awake and will find it. Called under the lock. */
  void Wake() {
    events++;
    if (awake == 0) wake.notify_one();
  }

  void WakeAll() {
    events++;
    wake.notify_all();
    grown.notify_all();
  }

  /** Waits for the next batch, which is the context's unless its maker named another; false if there will be none. */
  bool Take(uint32_t context, Batch &batch) {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      Wait(lock);
      if (stopped) {
        made.clear();
        queue.clear();
        return false;
      }
      if (!made.empty()) {
        batch = std::move(made.front());
        made.pop_front();
        break;
      }
      if (HasBatch()) {
        batch = Collect(context, lock);
        // All may have been cancelled meanwhile.
        if (!batch.jobs.empty()) break;
      } else if (copy != nullptr) {
        Help(lock);
      } else {
        // Closed; what is left in the queue is another's.
        return false;
      }
    }
    running += batch.jobs.size();
    if (HasBatch() || copy != nullptr) Wake();
    return true;
  }

  /** Waits for something to do. Meanwhile, memory that a burst of frames has left goes back. */
  void Wait(std::unique_lock<std::mutex> &lock) {
    const auto has_work = [&] { return Ends() || HasBatch() || copy != nullptr; };
    do {
      if (Clock::now() >= next_trim) {
        next_trim = Clock::now() + kTrimInterval;
        lock.unlock();
        staging->Trim();
        lock.lock();
      }
      if (!staging->HasMoreThanKept()) wake.wait(lock, has_work);
    } while (!wake.wait_until(lock, next_trim, has_work));
  }

  /** Takes what is queued once nothing more is expected, or the oldest has waited long enough. */
  Batch Collect(uint32_t context, std::unique_lock<std::mutex> &lock) {
    if (!Ends() && options.max_delay.count() > 0) {
      const size_t expected = std::min<size_t>(options.max_batch_size, callers);
      const auto until = queue.front()->submitted + options.max_delay;
      collecting = true;
      grown.wait_until(lock, until, [&] { return Ends() || queue.size() >= expected; });
      collecting = false;
    }
    Batch batch;
    batch.context = context;
    while (!stopped && !queue.empty() && batch.jobs.size() < options.max_batch_size) {
      batch.jobs.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    return batch;
  }

  /** Copies a share of a frame, and stays awake for its job, which follows within microseconds: waking takes longer. */
  void Help(std::unique_lock<std::mutex> &lock) {
    SharedCopy *shared = std::exchange(copy, nullptr);
    const uint64_t seen = events;
    awake++;
    lock.unlock();
    shared->Help();
    const auto until = Clock::now() + kJobFollows;
    while (events == seen && Clock::now() < until) std::this_thread::yield();
    lock.lock();
    awake--;
  }

  std::vector<std::unique_ptr<Outcome>> Infer(const Batch &batch) {
    std::lock_guard<std::mutex> alone(context_locks[batch.context]);
    std::vector<const Job *> jobs;
    for (const auto &job : batch.jobs) jobs.push_back(job.get());
    auto outcomes = InferTogether(batch.context, jobs);
    if (jobs.size() > 1 && outcomes[0]->status == ED_INVALID) {
      // One of the frames cannot be used. Which, shows when each runs alone, and the others have their answers.
      outcomes.clear();
      for (const Job *job : jobs) outcomes.push_back(std::move(InferTogether(batch.context, {job})[0]));
    }
    return outcomes;
  }

  std::vector<std::unique_ptr<Outcome>> InferTogether(uint32_t context, const std::vector<const Job *> &jobs) {
    std::vector<std::unique_ptr<Outcome>> outcomes;
    const auto begun = Clock::now();
    std::vector<ed_frame> frames;
    std::vector<ed_postprocess> postprocess;
    std::vector<ed_result> results;
    for (const Job *job : jobs) {
      auto outcome = std::make_unique<Outcome>();
      outcome->id = job->id;
      outcome->queue_ms = MillisecondsBetween(job->submitted, begun);
      outcome->detections.resize(job->postprocess.max_detections);
      frames.push_back(job->frame);
      postprocess.push_back(job->postprocess);
      ed_result result{};
      result.detections = outcome->detections.data();
      result.capacity = job->postprocess.max_detections;
      results.push_back(result);
      outcomes.push_back(std::move(outcome));
    }

    Message message;
    const auto count = static_cast<uint32_t>(jobs.size());
    const ed_status status =
        backend->infer(engine, context, frames.data(), postprocess.data(), results.data(), count, message.get());

    for (size_t i = 0; i < jobs.size(); i++) {
      Outcome &outcome = *outcomes[i];
      const ed_result &result = results[i];
      outcome.status = status;
      if (status != ED_OK) {
        outcome.message = message.Text();
      } else if (result.not_finite != 0) {
        outcome.status = ED_FAILED;
        outcome.message =
            "The network answered NaN or infinity for this frame. Its weights are damaged, or overflow in float16.";
      } else if (!IsSound(result, options.classes)) {
        outcome.status = ED_FAILED;
        outcome.message = "The backend answered " + std::to_string(result.count) +
                          " detections that cannot be (more than asked for, or with impossible values).";
      }
      outcome.detections.resize(outcome.status == ED_OK ? result.count : 0);
      outcome.candidates_capped = result.candidates_capped != 0;
      outcome.detections_capped = result.detections_capped != 0;
      outcome.preprocess_ms = result.preprocess_ms;
      outcome.network_ms = result.network_ms;
      outcome.postprocess_ms = result.postprocess_ms;
    }
    return outcomes;
  }
};

EngineThreads::EngineThreads(const ed_backend *backend, ed_engine *engine, Options options, Deliver deliver)
    : state_(std::make_shared<State>()) {
  state_->backend = backend;
  state_->engine = engine;
  state_->options = options;
  state_->deliver = std::move(deliver);
  state_->staging = std::make_shared<StagingPool>(backend, options.device);
  state_->batches.resize(options.max_batch_size);
  state_->context_locks = std::make_unique<std::mutex[]>(options.contexts);
  std::lock_guard<std::mutex> lock(state_->mutex);
  try {
    for (uint32_t context = 0; context < options.contexts; context++) {
      threads_.emplace_back([state = state_, context] { state->Run(context); });
      state_->threads++;
    }
  } catch (const std::system_error &) {
    // With fewer it works too.
    if (threads_.empty()) throw;
  }
}

EngineThreads::~EngineThreads() {
  if (!threads_.empty()) Stop();
}

ed_engine_info EngineThreads::Info() const {
  ed_engine_info info{};
  Message message;
  std::lock_guard<std::mutex> lock(state_->mutex);
  // The last thread destroys it.
  if (state_->engine == nullptr || state_->backend->info(state_->engine, &info, message.get()) != ED_OK) return {};
  return info;
}

Staging EngineThreads::Stage(size_t size) { return state_->staging->Take(size); }

void EngineThreads::Copy(uint8_t *to, const uint8_t *from, size_t size) {
  SharedCopy copy(to, from, size);
  bool offered = false;
  if (copy.IsWorthHelp()) {
    std::lock_guard<std::mutex> lock(state_->mutex);
    offered = state_->copy == nullptr;
    if (offered) {
      state_->copy = &copy;
      state_->Wake();
    }
  }
  copy.Work();
  if (!offered) return;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    // Nobody came, or whoever came has taken it and is known to the copy.
    if (state_->copy == &copy) {
      state_->copy = nullptr;
      return;
    }
  }
  copy.WaitForHelp();
}

bool EngineThreads::Submit(std::unique_ptr<Job> &job) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->closed || state_->stopped) return false;
  if (state_->queue.size() + state_->running >= state_->options.max_pending) return false;
  job->submitted = Clock::now();
  state_->queue.push_back(std::move(job));
  if (state_->collecting) {
    state_->grown.notify_one();
  } else {
    state_->Wake();
  }
  return true;
}

bool EngineThreads::SubmitTo(uint32_t context, std::vector<std::unique_ptr<Job>> batch) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->closed || state_->stopped) return false;
  for (auto &job : batch) job->submitted = Clock::now();
  state_->made.push_back({context, true, std::move(batch)});
  state_->Wake();
  return true;
}

bool EngineThreads::Cancel(uint64_t id) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto &queue = state_->queue;
  auto found = std::find_if(queue.begin(), queue.end(), [id](const auto &job) { return job->id == id; });
  if (found == queue.end()) return false;
  queue.erase(found);
  return true;
}

EngineThreads::Work EngineThreads::CountWork() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return {state_->queue.size(), state_->running, state_->batches};
}

void EngineThreads::Close() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->closed = true;
  state_->WakeAll();
}

void EngineThreads::Stop() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    state_->WakeAll();
  }
  for (auto &thread : threads_) thread.join();
  threads_.clear();
}

bool EngineThreads::StopWithin(std::chrono::milliseconds timeout) {
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    state_->WakeAll();
    if (!state_->ended.wait_for(lock, timeout, [&] { return state_->threads == 0; })) {
      lock.unlock();
      // The backend hangs. Its threads keep the state alive and are left behind; they will deliver nothing.
      for (auto &thread : threads_) thread.detach();
      threads_.clear();
      state_->staging->Close();
      return false;
    }
  }
  Stop();
  return true;
}
