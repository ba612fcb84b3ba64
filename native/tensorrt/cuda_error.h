#pragma once

#include <cuda_runtime.h>

#include <string>

#include "failure.h"

namespace efficientdet {

/** What is said of a device that CUDA gives this process no more. */
inline constexpr const char *kDeviceLost =
    "The device failed, and no engine on it answers any more. Restart the process; engines on other devices go on.";

/**
 * Whether it leaves the process in a state in which every later call for the device answers the same, whichever call
 * first told it.
 */
inline bool IsSticky(cudaError_t error) {
  switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorExternalDevice:
      return true;
    default:
      // cudaErrorContained and cudaErrorTensorMemoryLeak, which the oldest headers that we compile with do not name.
      return static_cast<int>(error) == 226 || static_cast<int>(error) == 721;
  }
}

/**
 * @param what was tried, as the message shall say it
 * @param status of errors that have none of their own
 * @throws Failure ED_DEVICE_LOST, ED_OUT_OF_MEMORY or that status
 */
[[noreturn]] inline void Fail(ed_status status, const std::string &what, cudaError_t error) {
  // An error that is not taken away is found again by the next who asks.
  cudaGetLastError();
  const std::string text = what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ").";
  if (IsSticky(error)) throw Failure{ED_DEVICE_LOST, kDeviceLost + ("\n" + text)};
  throw Failure{error == cudaErrorMemoryAllocation ? ED_OUT_OF_MEMORY : status, text};
}

/** @throws Failure as `Fail` if a call of CUDA did not succeed: ED_FAILED for most errors. */
inline void Check(cudaError_t error, const char *what) {
  if (error != cudaSuccess) Fail(ED_FAILED, std::string(what) + " failed", error);
}

}  // namespace efficientdet
