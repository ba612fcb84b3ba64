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
 * Opens a backend library by its absolute path and checks that both sides speak the same version of the contract.
 * Libraries that were opened stay so for the life of the process: CUDA and TensorRT do not survive being closed.
 * May be called by any thread; a path is opened once.
 */
BackendLibrary OpenBackendLibrary(const std::string &path);
