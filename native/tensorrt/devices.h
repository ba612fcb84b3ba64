#pragma once

#include <cstdint>
#include <string>

#include "efficientdet_backend.h"

namespace efficientdet {

/** "13.1" of 13010, as CUDA counts. */
std::string CudaVersionText(int version);

/** The newest CUDA that the driver can run, as CUDA counts; 0 without a driver. */
int DriverVersion();

/**
 * How many devices there are, 1 or more.
 * @throws Failure ED_NO_DRIVER, ED_OLD_DRIVER; ED_UNAVAILABLE for a driver without devices.
 */
int CountDevices();

/**
 * As far as the device tells it: one that cannot be used has no free memory, and may have no name.
 *
 * @param is_used whether this process uses the device, or will: else no context is made there, which costs hundreds of
 *   megabytes
 */
ed_device DescribeDevice(int device, bool is_used);

/**
 * Has this thread work on a device, by its number.
 * @throws Failure as `CountDevices` if there is none to work on; ED_INVALID if there is none of that number; if it
 *     cannot be used, ED_DEVICE_LOST, ED_OUT_OF_MEMORY or ED_UNAVAILABLE.
 */
void UseDevice(uint32_t device);

/**
 * On the device that this thread works on.
 * @throws Failure ED_UNAVAILABLE if our kernels were not compiled for it
 */
void CheckKernels(uint32_t device);

}  // namespace efficientdet
