#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "job.h"

/**
 * The one thread that an engine runs on. Jobs wait in a bounded queue; those that wait together run together, up to
 * the engine's batch. Knows nothing of Node.
 *
 * A batch is held back for at most `max_delay`, and only while fewer jobs wait than callers were seen last time: one
 * caller alone never waits.
 */
class EngineThread {
 public:
  struct Options {
    /** Frames per `infer`, 1 or more; no more than the engine takes. */
    uint32_t max_batch = 1;
    std::chrono::microseconds max_delay{0};
    /** Jobs that may be pending, those running included. */
    size_t max_pending = 1;
    /** Classes of the model: what a backend answers beyond them is an error. */
    uint32_t classes = 1;
  };

  /** Called on the engine's thread: once per job, and with null when the thread ends after `Close`. */
  using Deliver = std::function<void(std::unique_ptr<Outcome>)>;

  /** Takes the engine over: it is destroyed when the thread ends. */
  EngineThread(const ed_backend *backend, ed_engine *engine, Options options, Deliver deliver);

  /** Stops; see there. */
  ~EngineThread();

  EngineThread(const EngineThread &) = delete;
  EngineThread &operator=(const EngineThread &) = delete;

  /** Queues a job; false if the queue is full or closed, in which case the job stays the caller's. */
  bool Submit(std::unique_ptr<Job> &job);

  /** Takes a job out of the queue; false if it is running or done already. It is not delivered then. */
  bool Cancel(uint64_t id);

  /** Takes no more jobs; those queued still run, then the engine is destroyed. Returns at once. */
  void Close();

  /** Drops what is queued, without delivering it, and waits for the batch that is running. */
  void Stop();

  /** As `Stop`, but waits no longer than told. @return whether the thread has ended */
  bool StopWithin(std::chrono::milliseconds patience);

 private:
  /** Outlives this object where a backend hangs and its thread has to be left behind. */
  struct State;

  std::shared_ptr<State> state_;
  std::thread thread_;
};
