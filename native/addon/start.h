#pragma once

#include <napi.h>

/** Queues an AsyncWorker, which deletes itself when it is done, and gives the promise of what it comes to. */
template <typename Worker>
Napi::Value Start(Worker *worker) {
  Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}
