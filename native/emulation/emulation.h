/* What tests ask of the stand-in for CUDA (include/cuda_runtime.h) beyond CUDA's own functions. */
#ifndef EFFICIENTDET_EMULATION_H
#define EFFICIENTDET_EMULATION_H

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cuda_runtime.h"

namespace emulation {

/** When work that was put into a stream happens. Both are allowed of a device; right programs see no difference. */
enum class Schedule {
  /** As late as can be: when somebody waits for it. */
  kLate,
  /** As soon as can be: before the call returns. */
  kAtOnce,
};
void SetSchedule(Schedule schedule);

/** Changes the order in which blocks, and threads within blocks, begin. 0: ascending. */
void SetOrder(uint32_t seed);

/**
 * Makes the `countdown`-th call of the runtime from now (1: the next) answer `error`, once; 0: none.
 *
 * An error that devices do not recover from answers every later call for that device until `Revive`, as for a lost
 * one.
 */
void FailCall(size_t countdown, cudaError_t error);
/** Calls of the runtime that could have been made to fail, since the program began. */
size_t Calls();
/** Brings all devices back, which a real process cannot. */
void Revive();

/** Devices that there are; 1 at first. 0 is a machine with a driver and no device. */
void SetDeviceCount(int count);

/** As 10·major + minor, of all devices; 89 at first. Kernels are there for 75 and later. */
void SetComputeCapability(int capability);
/** Whether devices share the host's memory; not at first. */
void SetIntegrated(bool integrated);

/**
 * Whether this process has a context on a device, which costs it hundreds of megabytes there. Calls that only ask for
 * what devices there are make none.
 */
bool HasContext(int device);
/** Forgets all contexts, for a test that begins. */
void ForgetContexts();

/** Memory of each device; 8 GiB at first. */
void SetMemory(size_t bytes);
/** Bytes that are free on a device, for which no context is made; 0 if there is no such device. */
size_t FreeBytes(int device);

/** Called on a thread that has begun to capture, once; may use CUDA. */
void OnCapture(std::function<void()> listener);

/** Waits so far that keep a core busy: for streams, for devices, for events without cudaEventBlockingSync. */
size_t BusyWaits();

/** Bytes so far that were copied to devices. */
size_t BytesToDevice();

/**
 * The newest CUDA that the driver runs, at first EMULATED_DRIVER or our CUDART_VERSION. Older drivers, and 0 for
 * none, answer every call with cudaErrorInsufficientDriver.
 */
void SetDriverVersion(int version);

/** What was made and not given back. */
struct Live {
  size_t device_allocations;
  size_t device_bytes;
  size_t host_allocations;
  size_t streams;
  size_t events;
  size_t graphs;
  size_t executables;
};
Live CountLive();

}  // namespace emulation

#endif
