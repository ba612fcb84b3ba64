#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

/**
 * Reads frames of one size from a pipe, on a thread of its own, into memory that is lent to it.
 *
 * Frames that nobody has taken wait in order; where the newest wins, the oldest of them gives its memory to the next
 * one.
 */
class FramePipe {
 public:
  using Clock = std::chrono::steady_clock;

  struct Frame {
    /** The number of the memory that was lent. */
    uint32_t slot;
    /** Counted from the first frame of the pipe. */
    uint64_t index;
    Clock::time_point read_at;
  };

  enum class End { kNone, kEof, kError };

  struct State {
    End end;
    /** The system's number of an error. */
    int error;
    /** Bytes of an unfinished frame at the end. */
    size_t rest;
    /** Frames whose memory went to newer ones. */
    uint64_t drops;
  };

  /**
   * @param fd belongs to the pipe from now on
   * @param on_change called on the thread when a frame is whole and at the end
   */
  FramePipe(int fd, size_t frame_bytes, bool newest_wins, std::function<void()> on_change);
  /** Ends the thread, wherever it waits. */
  ~FramePipe();
  FramePipe(const FramePipe &) = delete;
  FramePipe &operator=(const FramePipe &) = delete;

  /** Lends memory for one frame, which must stay until it is taken or the pipe is gone. */
  void Lend(uint32_t slot, uint8_t *data);
  /** Takes the next frame, or the newest where that wins. @return whether there was one */
  bool Take(Frame *frame);
  State GetState();

 private:
  struct Memory {
    uint32_t slot;
    uint8_t *data;
  };
  struct Whole {
    Memory memory;
    uint64_t index;
    Clock::time_point read_at;
  };

  void Run();
  /** Memory for the next frame; waits for it. @return false when it is time to end */
  bool Next(Memory *memory);
  /** Reads one frame. @return whether it is whole */
  bool Fill(uint8_t *data);
  void Finish(End end, int error, size_t rest);

  const int fd_;
  const size_t frame_bytes_;
  const bool newest_wins_;
  const std::function<void()> on_change_;
  /** Becomes readable when the thread shall end, even while it waits for the pipe. */
  int stop_fds_[2];

  std::mutex mutex_;
  std::condition_variable lent_;
  std::deque<Memory> empty_;
  std::deque<Whole> whole_;
  State state_{End::kNone, 0, 0, 0};
  uint64_t next_index_ = 0;
  bool stopping_ = false;

  std::thread thread_;
};
