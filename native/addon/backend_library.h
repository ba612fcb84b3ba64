#pragma once

#include <string>

#include "efficientdet_backend.h"

/** A backend library in this process, or why there is none. */
struct BackendLibrary {
  const ed_backend *table = nullptr;
  /** Empty where `table` is set. */
  std::string failure;
};

/**
 * Opens a backend library by its absolute path, once, and checks its version of the contract. Any thread may call it.
 *
 * Libraries stay open for the life of the process: CUDA and TensorRT do not survive being closed.
 */
BackendLibrary OpenBackendLibrary(const std::string &path);
