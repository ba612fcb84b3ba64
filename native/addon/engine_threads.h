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
 * The threads that an engine runs on, one for each context. Jobs in its bounded queue run together, up to the
 * engine's batch. Knows nothing of Node.
 *
 * A batch is held back for at most `max_delay`, and only while fewer jobs wait than callers were seen last time: one
 * caller alone never waits.
 */
class EngineThreads {
 public:
  struct Options {
    /** The engine's. */
    uint32_t device = 0;
    /** Frames per `infer`, 1 or more; no more than the engine takes. */
    uint32_t max_batch_size = 1;
    /** Batches that run at the same time, 1 or more; no more than the engine has. */
    uint32_t contexts = 1;
    std::chrono::microseconds max_delay{0};
    /** Jobs that may be pending, those running included. */
    size_t max_pending = 1;
    /** Classes of the model: what a backend answers beyond them is an error. */
    uint32_t classes = 1;
  };

  /** What was done since the beginning, and has to be done now; batches of `SubmitTo` not counted. */
  struct Work {
    /** Jobs that wait, and those in batches that run. */
    size_t queued = 0;
    size_t running = 0;
    /** How many batches of 1, 2, … jobs have run. */
    std::vector<uint64_t> batches;
  };

  /** Called on the engine's threads: once per job, and with null when the last of them ends after `Close`. */
  using Deliver = std::function<void(std::unique_ptr<Outcome>)>;

  /**
   * Takes the engine over: it is destroyed when the last thread ends.
   *
   * @throws std::system_error if the system starts no thread at all; then the engine stays the caller's
   */
  EngineThreads(const ed_backend *backend, ed_engine *engine, Options options, Deliver deliver);

  /** Stops; see there. */
  ~EngineThreads();

  EngineThreads(const EngineThreads &) = delete;
  EngineThreads &operator=(const EngineThreads &) = delete;

  /** What the backend tells of the engine now; all zero where it tells nothing. */
  ed_engine_info Info() const;

  /** Memory for a frame of so many bytes. Memory that a burst of frames needed goes back within seconds of its end. */
  Staging Stage(size_t size);

  /**
   * Copies a frame, helped by an idle thread of the engine, which then is awake when the job comes: waking it takes
   * longer than queueing a job.
   */
  void Copy(uint8_t *to, const uint8_t *from, size_t size);

  /** Queues a job; false if the queue is full or closed, in which case the job stays the caller's. */
  bool Submit(std::unique_ptr<Job> &job);

  /**
   * Queues jobs as one batch in a context of the caller's choice, for tests of an engine: before all that is queued,
   * with no limit but memory.
   *
   * @returns false if closed
   */
  bool SubmitTo(uint32_t context, std::vector<std::unique_ptr<Job>> batch);

  /** Takes a job out of the queue; false if it is running or done already. It is not delivered then. */
  bool Cancel(uint64_t id);

  Work CountWork() const;

  /** Takes no more jobs; those queued still run, then the engine is destroyed. Returns at once. */
  void Close();

  /** Drops what is queued, without delivering it, and waits for the batches that are running. */
  void Stop();

  /** As `Stop`, but waits no longer than told. @return whether the threads have ended */
  bool StopWithin(std::chrono::milliseconds timeout);

 private:
  /** Outlives this object where a backend hangs and its threads have to be left behind. */
  struct State;

  std::shared_ptr<State> state_;
  std::vector<std::thread> threads_;
};
