#pragma once

#include <napi.h>

#include "efficientdet_backend.h"

/** The backend's table in a value that openLibrary gave. */
const ed_backend *BackendOf(const Napi::Value &library);

/** openLibrary(path): external; throws an Error with a code. */
Napi::Value OpenLibrary(const Napi::CallbackInfo &info);

/** nameOf(library): string. */
Napi::Value NameOf(const Napi::CallbackInfo &info);

/** probe(library, folder): Promise<what was found, and why it cannot run>. */
Napi::Value Probe(const Napi::CallbackInfo &info);

/** inspect(library, plan: Uint8Array, device): Promise<string>. */
Napi::Value Inspect(const Napi::CallbackInfo &info);
