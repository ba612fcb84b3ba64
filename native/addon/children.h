#pragma once

#include <napi.h>
#include <sys/types.h>

#include <set>

/** Child processes that end with their environment: nobody else collects those of a worker thread that has gone. */
class Children {
 public:
  Children() = default;
  Children(const Children &) = delete;
  Children &operator=(const Children &) = delete;
  ~Children();

  void Add(pid_t pid) { pids_.insert(pid); }
  /** Leaves a child alone that was collected, for its number may be another's by now. */
  void Remove(pid_t pid) { pids_.erase(pid); }

 private:
  std::set<pid_t> pids_;
};

void AddChild(const Napi::CallbackInfo &info);
void RemoveChild(const Napi::CallbackInfo &info);
