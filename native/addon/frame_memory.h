#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "staging.h"

/**
 * Memory for a frame as an ArrayBuffer: JavaScript writes it, engines read it in place.
 *
 * It lives as long as either needs it, whatever becomes of the engine that gave it.
 */
Napi::ArrayBuffer NewFrameMemory(Napi::Env env, Staging staging);

/** The memory that holds all of a range, if it is a frame's that was neither detached nor collected; else null. */
std::shared_ptr<const Staging> FindFrameMemory(const uint8_t *begin, size_t size);

/** detachFrame(buffer): takes an ArrayBuffer's memory away, which goes back once no engine reads it. */
void DetachFrame(const Napi::CallbackInfo &info);
