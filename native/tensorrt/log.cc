#include "log.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

namespace efficientdet {

namespace {

/** How many errors a message quotes: the first often names the cause, and the last what failed of it. */
constexpr size_t kErrors = 3;

/** The listener that this thread made, the innermost. */
thread_local LogListener *own_listener = nullptr;

bool TellsOfMissingMemory(const char *line) {
  constexpr const char *kPhrases[] = {"out of memory",
                                      "outofmemory",
                                      "insufficient memory",
                                      "insufficient workspace",
                                      "cannot allocate memory",
                                      "could not be allocated",
                                      "bad_alloc"};
  return std::any_of(std::begin(kPhrases), std::end(kPhrases),
                     [line](const char *phrase) { return strcasestr(line, phrase) != nullptr; });
}

ed_severity SeverityOf(nvinfer1::ILogger::Severity severity) {
  switch (severity) {
    case nvinfer1::ILogger::Severity::kINTERNAL_ERROR:
    case nvinfer1::ILogger::Severity::kERROR:
      return ED_ERROR;
    case nvinfer1::ILogger::Severity::kWARNING:
      return ED_WARNING;
    default:
      return ED_INFO;
  }
}

}  // namespace

class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char *line) noexcept override {
    // Verbose lines are thousands, for TensorRT's makers.
    if (severity == Severity::kVERBOSE) return;
    try {
      if (own_listener != nullptr) {
        own_listener->OnLog(SeverityOf(severity), line);
        return;
      }
      std::lock_guard<std::mutex> lock(mutex_);
      for (LogListener *listener : listeners_) listener->OnLog(SeverityOf(severity), line);
    } catch (...) {
      // A line that cannot be kept is lost; nothing may be thrown into TensorRT.
    }
  }

  void Add(LogListener *listener) {
    std::lock_guard<std::mutex> lock(mutex_);
    listeners_.push_back(listener);
  }

  void Remove(LogListener *listener) {
    std::lock_guard<std::mutex> lock(mutex_);
    listeners_.erase(std::remove(listeners_.begin(), listeners_.end(), listener), listeners_.end());
  }

 private:
  std::mutex mutex_;
  std::vector<LogListener *> listeners_;
};

namespace {

/** Never destroyed: TensorRT says things until the process has ended. */
Logger &TheLogger() {
  static auto *logger = new Logger;
  return *logger;
}

}  // namespace

nvinfer1::ILogger &Log() { return TheLogger(); }

LogListener::LogListener(std::function<void(ed_severity, const char *)> forward)
    : forward_(std::move(forward)), outer_(own_listener) {
  own_listener = this;
  TheLogger().Add(this);
}

LogListener::~LogListener() {
  TheLogger().Remove(this);
  own_listener = outer_;
}

void LogListener::OnLog(ed_severity severity, const char *line) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (severity != ED_INFO && TellsOfMissingMemory(line)) out_of_memory_ = true;
  if (severity == ED_ERROR) {
    if (errors_.size() == kErrors) errors_.erase(errors_.begin() + 1);
    errors_.emplace_back(line);
  }
  if (forward_) forward_(severity, line);
}

bool LogListener::OutOfMemory() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return out_of_memory_;
}

Failure LogListener::FailureOf(ed_status status, const std::string &what) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string text = what;
  if (out_of_memory_) {
    status = ED_OUT_OF_MEMORY;
    text += " for want of memory";
  }
  if (errors_.empty()) return {status, text + ", and does not say why."};
  text += ":";
  for (const std::string &error : errors_) text += "\n" + error;
  return {status, text};
}

}  // namespace efficientdet
