#pragma once

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "../../test/check.h"
#include "efficientdet_backend.h"

/** What a function of the contract answered. */
struct Answer {
  ed_status status;
  std::string message;

  bool Says(const std::string &words) const { return message.find(words) != std::string::npos; }
};

/** Checks an answer and, if it is another, shows it. */
#define CHECK_ANSWER(answer, expected, words)                                                                          \
  do {                                                                                                                 \
    const Answer checked = (answer);                                                                                   \
    if (checked.status != (expected) || !checked.Says(words)) {                                                        \
      std::fprintf(stderr, "%s:%d: status %d, message: %s\n  expected %s, “%s”\n", __FILE__, __LINE__, checked.status, \
                   checked.message.c_str(), #expected, std::string(words).c_str());                                    \
      std::abort();                                                                                                    \
    }                                                                                                                  \
  } while (false)

/** Calls a function of the contract, whose last parameter is the message. */
template <typename Function, typename... Arguments>
Answer Call(Function function, Arguments... arguments) {
  char text[4096] = "";
  ed_message message{text, sizeof text};
  const ed_status status = function(arguments..., &message);
  return {status, text};
}

inline const ed_backend *OpenBackend(const char *path) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) std::fprintf(stderr, "%s\n", dlerror());
  CHECK(handle != nullptr);
  const auto open = reinterpret_cast<ed_open_backend>(dlsym(handle, ED_OPEN_BACKEND));
  CHECK(open != nullptr);
  CHECK(open(ED_BACKEND_ABI_VERSION + 1) == nullptr);
  return open(ED_BACKEND_ABI_VERSION);
}

/** Runs a test in a process of its own: a backend is attached once in each. */
template <typename Test>
void RunApart(const char *name, Test test) {
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    test();
    // As main does, with all that is done then.
    std::exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) std::fprintf(stderr, "%s: ended by signal %d\n", name, WTERMSIG(status));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  std::printf("ok %s\n", name);
  std::fflush(stdout);
}

#define RUN_APART(test) RunApart(#test, test)

/** A new folder, which goes with its contents. */
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/efficientdet-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;

  std::string path() const { return path_; }

  void Link(const std::string &target, const std::string &name) const {
    std::filesystem::create_symlink(std::filesystem::absolute(target), path_ + "/" + name);
  }

 private:
  std::string path_;
};
