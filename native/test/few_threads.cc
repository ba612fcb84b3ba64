/*
 * Preloaded, it lets the system start only THREADS_LEFT more threads from the moment that it is set, as at a limit of
 * a container or of a user.
 */
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t *thread,
                                                                     const pthread_attr_t *attributes,
                                                                     void *(*run)(void *), void *argument) {
  static const auto start = reinterpret_cast<decltype(&pthread_create)>(dlsym(RTLD_NEXT, "pthread_create"));
  static std::atomic<int> started{0};
  const char *left = std::getenv("THREADS_LEFT");
  if (left != nullptr && started++ >= std::atoi(left)) return EAGAIN;
  return start(thread, attributes, run, argument);
}
