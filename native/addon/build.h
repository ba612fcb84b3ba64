#pragma once

#include <napi.h>

/**
 * build(library, onnx: Uint8Array, options, cancel: Int32Array, onProgress): Promise<{ plan, timingCache, log }>.
 *
 * Runs on a thread of its own, not as an AsyncWorker: a build takes minutes, in which it would hold one of libuv's four
 * threads, and an environment that goes waits for those before anybody could tell the build to end.
 */
Napi::Value Build(const Napi::CallbackInfo &info);
