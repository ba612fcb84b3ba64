#pragma once

#include <napi.h>

/**
 * build(library, onnx: Uint8Array, { maxBatch, workspaceBytes }, cancel: Int32Array, onProgress): Promise<Uint8Array>.
 *
 * `cancel` lies in shared memory; storing anything but 0 in its first element ends the build. `onProgress` is called
 * with a fraction 0…1 and the phase's name; steps in between may be left out.
 */
Napi::Value Build(const Napi::CallbackInfo &info);
