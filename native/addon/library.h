#pragma once

#include <napi.h>

#include "efficientdet_backend.h"

/** The backend's table in a value that openLibrary gave. */
const ed_backend *BackendOf(const Napi::Value &library);

/** openLibrary(path): external; throws an Error with a code. */
Napi::Value OpenLibrary(const Napi::CallbackInfo &info);

/** nameOf(library): string. */
Napi::Value NameOf(const Napi::CallbackInfo &info);

/** probe(library): Promise<{ description, devices }>. */
Napi::Value Probe(const Napi::CallbackInfo &info);
