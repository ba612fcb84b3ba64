#pragma once

#include <napi.h>

/**
 * build(library, onnx: Uint8Array, options, cancel: Int32Array, onProgress): Promise<{ plan, timingCache, log }>.
 *
 * Runs on its own thread: an AsyncWorker would hold one of libuv's four for minutes, and an ending environment waits
 * for it before anybody could cancel.
 */
Napi::Value Build(const Napi::CallbackInfo &info);
