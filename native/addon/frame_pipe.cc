#include "frame_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

FramePipe::FramePipe(int fd, size_t frame_bytes, bool newest_wins, std::function<void()> on_change)
    : fd_(fd), frame_bytes_(frame_bytes), newest_wins_(newest_wins), on_change_(std::move(on_change)) {
  if (pipe(stop_fds_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  for (const int end : stop_fds_) fcntl(end, F_SETFD, FD_CLOEXEC);
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (...) {
    for (const int end : stop_fds_) close(end);
    throw;
  }
}

FramePipe::~FramePipe() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  lent_.notify_all();
  close(stop_fds_[1]);
  thread_.join();
  close(stop_fds_[0]);
  close(fd_);
}

void FramePipe::Lend(uint32_t slot, uint8_t *data) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    empty_.push_back({slot, data});
  }
  lent_.notify_one();
}

bool FramePipe::Take(Frame *frame) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (whole_.empty()) return false;
  while (newest_wins_ && whole_.size() > 1) {
    empty_.push_back(whole_.front().memory);
    whole_.pop_front();
    state_.drops++;
  }
  const Whole &first = whole_.front();
  *frame = {first.memory.slot, first.index, first.read_at};
  whole_.pop_front();
  return true;
}

FramePipe::State FramePipe::GetState() {
  std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

void FramePipe::Run() {
  Memory memory{};
  while (Next(&memory)) {
    if (!Fill(memory.data)) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      whole_.push_back({memory, next_index_++, Clock::now()});
    }
    on_change_();
  }
}

bool FramePipe::Next(Memory *memory) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (newest_wins_ && empty_.empty() && !whole_.empty()) {
    empty_.push_back(whole_.front().memory);
    whole_.pop_front();
    state_.drops++;
  }
  lent_.wait(lock, [this] { return stopping_ || !empty_.empty(); });
  if (stopping_) return false;
  *memory = empty_.front();
  empty_.pop_front();
  return true;
}

bool FramePipe::Fill(uint8_t *data) {
  size_t filled = 0;
  while (filled < frame_bytes_) {
    pollfd waited[] = {{fd_, POLLIN, 0}, {stop_fds_[0], POLLIN, 0}};
    if (poll(waited, 2, -1) < 0 && errno != EINTR) {
      Finish(End::kError, errno, filled);
      return false;
    }
    if (waited[1].revents != 0) return false;
    if (waited[0].revents == 0) continue;
    const ssize_t count = read(fd_, data + filled, frame_bytes_ - filled);
    if (count > 0) {
      filled += static_cast<size_t>(count);
    } else if (count == 0) {
      Finish(End::kEof, 0, filled);
      return false;
    } else if (errno != EAGAIN && errno != EINTR) {
      Finish(End::kError, errno, filled);
      return false;
    }
  }
  return true;
}

void FramePipe::Finish(End end, int error, size_t rest) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_.end = end;
    state_.error = error;
    state_.rest = rest;
  }
  on_change_();
}
