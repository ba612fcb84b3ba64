#pragma once

#include <string>
#include <utility>

#include "efficientdet_backend.h"

namespace efficientdet {

/** What a function of the contract answers when it fails. Thrown within a backend; backend.cc makes an answer of it. */
struct Failure {
  ed_status status;
  /** What was found, what was expected, what to do. */
  std::string message;
};

}  // namespace efficientdet
