#pragma once

#include <napi.h>

#include "children.h"

/** What belongs to one environment (the main thread or a worker), freed with it. */
struct AddonData {
  Napi::FunctionReference engine;
  Children children;
};
