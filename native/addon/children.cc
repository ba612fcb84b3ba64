#include "children.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "addon_data.h"

Children::~Children() {
  for (const pid_t pid : pids_) kill(pid, SIGKILL);
  for (const pid_t pid : pids_) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

static Children &ChildrenOf(const Napi::CallbackInfo &info) {
  return info.Env().GetInstanceData<AddonData>()->children;
}

static pid_t PidOf(const Napi::CallbackInfo &info) { return info[0].As<Napi::Number>().Int32Value(); }

void AddChild(const Napi::CallbackInfo &info) { ChildrenOf(info).Add(PidOf(info)); }

void RemoveChild(const Napi::CallbackInfo &info) { ChildrenOf(info).Remove(PidOf(info)); }
