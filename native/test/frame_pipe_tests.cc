/*
 * Tests of what reads frames from pipes, without Node, plainly and under sanitizers. Each function is one; a failed
 * CHECK ends the program.
 */
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "check.h"
#include "frame_pipe.h"

namespace {

constexpr size_t kBytes = 100'000;

/** A pipe that is written to by hand, and the memory that its frames are read into. */
class Pipe {
 public:
  explicit Pipe(bool newest_wins) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    write_end_ = ends[1];
    frames_ = std::make_unique<FramePipe>(ends[0], kBytes, newest_wins, [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      changes_++;
      changed_.notify_all();
    });
  }

  ~Pipe() { CloseEnd(); }

  void Lend(uint32_t slot) {
    memory_.resize(16);
    memory_[slot].assign(kBytes, 0);
    frames_->Lend(slot, memory_[slot].data());
  }

  void Write(uint8_t value, size_t bytes = kBytes) {
    const std::vector<uint8_t> frame(bytes, value);
    for (size_t written = 0; written < bytes;) {
      const ssize_t count = write(write_end_, frame.data() + written, bytes - written);
      CHECK(count > 0);
      written += static_cast<size_t>(count);
    }
  }

  void CloseEnd() {
    if (write_end_ >= 0) close(write_end_);
    write_end_ = -1;
  }

  /** Waits for a frame. @return the value of all its bytes */
  uint8_t Take(uint64_t index) {
    FramePipe::Frame frame;
    Until([&] { return frames_->Take(&frame); });
    CHECK(frame.index == index);
    const std::vector<uint8_t> &memory = memory_[frame.slot];
    CHECK(memory == std::vector<uint8_t>(kBytes, memory[0]));
    return memory[0];
  }

  template <class Condition>
  void Until(Condition condition) {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      const int seen = changes_;
      lock.unlock();
      if (condition()) return;
      lock.lock();
      changed_.wait(lock, [&] { return changes_ != seen; });
    }
  }

  FramePipe &frames() { return *frames_; }
  void Stop() { frames_ = nullptr; }

 private:
  int write_end_;
  std::vector<std::vector<uint8_t>> memory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int changes_ = 0;
  std::unique_ptr<FramePipe> frames_;
};

void FramesComeInOrderHoweverLateTheirMemory() {
  Pipe pipe(false);
  std::thread writer([&] {
    for (uint8_t value = 1; value <= 5; value++) pipe.Write(value);
  });
  for (uint8_t value = 1; value <= 5; value++) {
    pipe.Lend(value);
    CHECK(pipe.Take(value - 1U) == value);
  }
  writer.join();
  CHECK(pipe.frames().GetState().drops == 0);
}

void TheNewestWinsAndOthersAreCounted() {
  Pipe pipe(true);
  for (uint32_t slot = 0; slot < 3; slot++) pipe.Lend(slot);
  for (uint8_t value = 1; value <= 9; value++) pipe.Write(value);
  pipe.CloseEnd();
  pipe.Until([&] { return pipe.frames().GetState().end == FramePipe::End::kEof; });
  CHECK(pipe.Take(8) == 9);
  CHECK(pipe.frames().GetState().drops == 8);
}

void TheEndTellsWhatIsLeftOfAFrame() {
  Pipe pipe(false);
  pipe.Lend(0);
  pipe.Write(7, 10);
  pipe.CloseEnd();
  pipe.Until([&] { return pipe.frames().GetState().end == FramePipe::End::kEof; });
  CHECK(pipe.frames().GetState().rest == 10);
}

void ItEndsWhereverItWaits() {
  // For memory, for the rest of a frame, and after the end.
  Pipe hungry(false);
  hungry.Write(1, 10);
  hungry.Stop();
  Pipe thirsty(false);
  thirsty.Lend(0);
  thirsty.Write(1, 10);
  thirsty.Stop();
  Pipe over(false);
  over.Lend(0);
  over.CloseEnd();
  over.Until([&] { return over.frames().GetState().end == FramePipe::End::kEof; });
  over.Stop();
}

}  // namespace

int main() {
#define RUN(test)                  \
  do {                             \
    test();                        \
    std::printf("ok %s\n", #test); \
    std::fflush(stdout);           \
  } while (false)
  RUN(FramesComeInOrderHoweverLateTheirMemory);
  RUN(TheNewestWinsAndOthersAreCounted);
  RUN(TheEndTellsWhatIsLeftOfAFrame);
  RUN(ItEndsWhereverItWaits);
  return 0;
}
