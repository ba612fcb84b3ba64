#include "engine_threads.h"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "message.h"
#include "shared_copy.h"

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::microseconds kJobFollows{100};

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
    uint32_t slot = 0;
    /** Whether the caller made it. */
    bool made = false;
    std::vector<std::unique_ptr<Job>> jobs;
  };

  const ed_backend *backend;
  ed_engine *engine;
  Options options;
  Deliver deliver;

  /** One for each slot: held while a batch runs there, for batches may name the slot of a thread that runs another. */
  std::unique_ptr<std::mutex[]> slots;
  /** Held by the one thread that collects a batch; the others wait for it, or run theirs. */
  std::mutex collecting;
  /** Guards all below. Taken after `collecting`. */
  std::mutex mutex;
  /** Something was queued, a frame is copied, or the threads shall end. */
  std::condition_variable wake;
  /** All threads have ended. */
  std::condition_variable ended;
  std::deque<std::unique_ptr<Job>> queue;
  /** Batches that were made by the caller, who said where they run. */
  std::deque<Batch> made;
  size_t running = 0;
  /** Callers that were seen at the same time when the last batch ended. */
  size_t callers = 1;
  /** A frame's copy that has work for another thread. */
  SharedCopy *copy = nullptr;
  bool closed = false;
  bool stopped = false;
  size_t threads = 0;

  void Run(uint32_t slot) {
    Batch batch;
    while (Take(slot, batch)) {
      auto outcomes = Infer(batch);
      {
        std::lock_guard<std::mutex> lock(mutex);
        running -= batch.jobs.size();
        if (!batch.made) callers = batch.jobs.size() + running + queue.size();
        // Whoever stops the threads is about to go, and waits for them no longer than its patience lasts.
        if (stopped) outcomes.clear();
        // Delivered under the lock, so that nothing is delivered once `stopped` is set.
        for (auto &outcome : outcomes) deliver(std::move(outcome));
      }
      batch.jobs.clear();
    }
    End();
  }

  void End() {
    std::unique_lock<std::mutex> lock(mutex);
    if (threads > 1) {
      threads--;
      return;
    }
    lock.unlock();
    backend->destroy(engine);
    lock.lock();
    if (!stopped) deliver(nullptr);
    threads = 0;
    ended.notify_all();
  }

  /** Waits for the next batch, which is the slot's unless its maker named another; false if there will be none. */
  bool Take(uint32_t slot, Batch &batch) {
    std::lock_guard<std::mutex> alone(collecting);
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stopped || closed || !queue.empty() || !made.empty() || copy != nullptr; });
      if (copy == nullptr) break;
      SharedCopy *shared = std::exchange(copy, nullptr);
      lock.unlock();
      shared->Help();
      // The frame's job follows within microseconds: sleeping and being woken again would take longer.
      const auto until = Clock::now() + kJobFollows;
      lock.lock();
      while (queue.empty() && !stopped && !closed && Clock::now() < until) {
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
      }
    }
    if (stopped) made.clear();
    if (!made.empty()) {
      batch = std::move(made.front());
      made.pop_front();
      running += batch.jobs.size();
      return true;
    }
    if (!stopped && !closed && options.max_delay.count() > 0) {
      const size_t expected = std::min<size_t>(options.max_batch, callers);
      const auto until = queue.front()->submitted + options.max_delay;
      wake.wait_until(lock, until, [&] { return stopped || closed || queue.size() >= expected; });
    }
    if (stopped) queue.clear();
    batch.slot = slot;
    batch.made = false;
    while (!queue.empty() && batch.jobs.size() < options.max_batch) {
      batch.jobs.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    running += batch.jobs.size();
    // The queue may have been emptied by cancelling meanwhile.
    return !batch.jobs.empty() || !(stopped || closed);
  }

  std::vector<std::unique_ptr<Outcome>> Infer(const Batch &batch) {
    if (batch.jobs.empty()) return {};
    std::lock_guard<std::mutex> alone(slots[batch.slot]);
    std::vector<const Job *> jobs;
    for (const auto &job : batch.jobs) jobs.push_back(job.get());
    auto outcomes = InferTogether(batch.slot, jobs);
    if (jobs.size() > 1 && outcomes[0]->status == ED_INVALID) {
      // One of the frames cannot be used. Which, shows when each runs alone, and the others have their answers.
      outcomes.clear();
      for (const Job *job : jobs) outcomes.push_back(std::move(InferTogether(batch.slot, {job})[0]));
    }
    for (size_t i = 0; i < outcomes.size(); i++) outcomes[i]->bytes = std::move(batch.jobs[i]->bytes);
    return outcomes;
  }

  std::vector<std::unique_ptr<Outcome>> InferTogether(uint32_t slot, const std::vector<const Job *> &jobs) {
    std::vector<std::unique_ptr<Outcome>> outcomes;
    const auto begun = Clock::now();
    std::vector<ed_frame> frames;
    std::vector<ed_selection> selections;
    std::vector<ed_result> results;
    for (const Job *job : jobs) {
      auto outcome = std::make_unique<Outcome>();
      outcome->id = job->id;
      outcome->queue_ms = MillisecondsBetween(job->submitted, begun);
      outcome->detections.resize(job->selection.max_detections);
      frames.push_back(job->frame);
      selections.push_back(job->selection);
      ed_result result{};
      result.detections = outcome->detections.data();
      result.capacity = job->selection.max_detections;
      results.push_back(result);
      outcomes.push_back(std::move(outcome));
    }

    Message message;
    const auto count = static_cast<uint32_t>(jobs.size());
    const ed_status status =
        backend->infer(engine, slot, frames.data(), selections.data(), results.data(), count, message.get());

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
  state_->slots = std::make_unique<std::mutex[]>(options.slots);
  std::lock_guard<std::mutex> lock(state_->mutex);
  try {
    for (uint32_t slot = 0; slot < options.slots; slot++) {
      threads_.emplace_back([state = state_, slot] { state->Run(slot); });
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

void EngineThreads::Copy(uint8_t *to, const uint8_t *from, size_t size) {
  SharedCopy copy(to, from, size);
  bool offered = false;
  if (copy.IsWorthHelp()) {
    std::lock_guard<std::mutex> lock(state_->mutex);
    offered = state_->copy == nullptr;
    if (offered) state_->copy = &copy;
    state_->wake.notify_one();
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
  state_->wake.notify_one();
  return true;
}

bool EngineThreads::SubmitTo(uint32_t slot, std::vector<std::unique_ptr<Job>> batch) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->closed || state_->stopped) return false;
  for (auto &job : batch) job->submitted = Clock::now();
  state_->made.push_back({slot, true, std::move(batch)});
  state_->wake.notify_one();
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

void EngineThreads::Close() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->closed = true;
  state_->wake.notify_one();
}

void EngineThreads::Stop() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    state_->wake.notify_one();
  }
  for (auto &thread : threads_) thread.join();
  threads_.clear();
}

bool EngineThreads::StopWithin(std::chrono::milliseconds patience) {
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    state_->wake.notify_one();
    if (!state_->ended.wait_for(lock, patience, [&] { return state_->threads == 0; })) {
      lock.unlock();
      // The backend hangs. Its threads keep the state alive and are left behind; they will deliver nothing.
      for (auto &thread : threads_) thread.detach();
      threads_.clear();
      return false;
    }
  }
  Stop();
  return true;
}
