#include "engine_thread.h"

#include <algorithm>
#include <cmath>

#include "message.h"

using Clock = std::chrono::steady_clock;

namespace {

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

struct EngineThread::State {
  const ed_backend *backend;
  ed_engine *engine;
  Options options;
  Deliver deliver;

  std::mutex mutex;
  /** Something was queued, or the thread shall end. */
  std::condition_variable wake;
  /** The thread has ended. */
  std::condition_variable ended_signal;
  std::deque<std::unique_ptr<Job>> queue;
  size_t running = 0;
  /** Callers that were seen at the same time when the last batch ended. */
  size_t callers = 1;
  bool closed = false;
  bool stopped = false;
  bool ended = false;

  void Run() {
    std::vector<std::unique_ptr<Job>> batch;
    while (Take(batch)) {
      auto outcomes = Infer(batch);
      {
        std::lock_guard<std::mutex> lock(mutex);
        callers = batch.size() + queue.size();
        running = 0;
        // Whoever stops the thread is about to go, and waits for it no longer than its patience lasts.
        if (stopped) outcomes.clear();
        // Delivered under the lock, so that nothing is delivered once `stopped` is set.
        for (auto &outcome : outcomes) deliver(std::move(outcome));
      }
      batch.clear();
    }
    backend->destroy(engine);
    std::lock_guard<std::mutex> lock(mutex);
    if (!stopped) deliver(nullptr);
    ended = true;
    ended_signal.notify_all();
  }

  /** Waits for the next batch; false if there will be none. */
  bool Take(std::vector<std::unique_ptr<Job>> &batch) {
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [&] { return stopped || closed || !queue.empty(); });
    if (!stopped && !closed && options.max_delay.count() > 0) {
      const size_t expected = std::min<size_t>(options.max_batch, callers);
      const auto until = queue.front()->submitted + options.max_delay;
      wake.wait_until(lock, until, [&] { return stopped || closed || queue.size() >= expected; });
    }
    if (stopped) queue.clear();
    while (!queue.empty() && batch.size() < options.max_batch) {
      batch.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    running = batch.size();
    // The queue may have been emptied by cancelling meanwhile.
    return !batch.empty() || !(stopped || closed);
  }

  std::vector<std::unique_ptr<Outcome>> Infer(std::vector<std::unique_ptr<Job>> &batch) {
    std::vector<std::unique_ptr<Outcome>> outcomes;
    if (batch.empty()) return outcomes;
    const auto begun = Clock::now();
    std::vector<ed_frame> frames;
    std::vector<ed_selection> selections;
    std::vector<ed_result> results;
    for (auto &job : batch) {
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
    const auto count = static_cast<uint32_t>(batch.size());
    const ed_status status =
        backend->infer(engine, frames.data(), selections.data(), results.data(), count, message.get());

    for (size_t i = 0; i < batch.size(); i++) {
      Outcome &outcome = *outcomes[i];
      const ed_result &result = results[i];
      outcome.status = status;
      if (status != ED_OK) {
        outcome.message = message.Text();
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
      outcome.bytes = std::move(batch[i]->bytes);
    }
    return outcomes;
  }
};

EngineThread::EngineThread(const ed_backend *backend, ed_engine *engine, Options options, Deliver deliver)
    : state_(std::make_shared<State>()) {
  state_->backend = backend;
  state_->engine = engine;
  state_->options = options;
  state_->deliver = std::move(deliver);
  thread_ = std::thread([state = state_] { state->Run(); });
}

EngineThread::~EngineThread() {
  if (thread_.joinable()) Stop();
}

bool EngineThread::Submit(std::unique_ptr<Job> &job) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->closed || state_->stopped) return false;
  if (state_->queue.size() + state_->running >= state_->options.max_pending) return false;
  job->submitted = Clock::now();
  state_->queue.push_back(std::move(job));
  state_->wake.notify_one();
  return true;
}

bool EngineThread::Cancel(uint64_t id) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  auto &queue = state_->queue;
  auto found = std::find_if(queue.begin(), queue.end(), [id](const auto &job) { return job->id == id; });
  if (found == queue.end()) return false;
  queue.erase(found);
  return true;
}

void EngineThread::Close() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->closed = true;
  state_->wake.notify_one();
}

void EngineThread::Stop() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    state_->wake.notify_one();
  }
  thread_.join();
}

bool EngineThread::StopWithin(std::chrono::milliseconds patience) {
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->stopped = true;
    state_->wake.notify_one();
    if (!state_->ended_signal.wait_for(lock, patience, [&] { return state_->ended; })) {
      lock.unlock();
      // The backend hangs. Its thread keeps the state alive and is left behind; it will deliver nothing.
      thread_.detach();
      return false;
    }
  }
  thread_.join();
  return true;
}
