/*
 * The table of a TensorRT backend: see efficientdet_backend.h for what each function promises. Here exceptions become
 * statuses; what the functions do is in the files beside this one.
 */
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "build_thread.h"
#include "devices.h"
#include "efficientdet_backend.h"
#include "engine.h"
#include "failure.h"
#include "family.h"
#include "library.h"
#include "plan.h"

struct ed_engine {
  ed_engine(const uint8_t *plan, size_t size, const ed_model &model, const ed_load_options &options)
      : engine(plan, size, model, options) {}

  efficientdet::Engine engine;
};

namespace efficientdet {

namespace {

ed_status Answer(ed_message *message, ed_status status, const char *text) {
  std::snprintf(message->text, message->capacity, "%s", text);
  return status;
}

/** Runs a function's body and makes a status of what it throws. */
template <typename Body>
ed_status Guarded(ed_message *message, Body body) noexcept {
  try {
    body();
    return ED_OK;
  } catch (const Failure &failure) {
    return Answer(message, failure.status, failure.message.c_str());
  } catch (const std::bad_alloc &) {
    return Answer(message, ED_OUT_OF_MEMORY, "The process has not enough memory.");
  } catch (const std::exception &error) {
    return Answer(message, ED_FAILED, error.what());
  }
}

template <size_t Size>
void Write(char (&text)[Size], const std::string &value) {
  std::snprintf(text, Size, "%s", value.c_str());
}

ed_status Attach(const char *folder, ed_message *message) {
  return Guarded(message, [&] { Library::Attach(folder); });
}

ed_status Probe(uint32_t devices, ed_probe *probe, ed_message *message) {
  return Guarded(message, [&] {
    *probe = {};
    Write(probe->cuda_version, CudaVersionText(CUDART_VERSION));
    const int driver = DriverVersion();
    if (driver != 0) Write(probe->driver_version, CudaVersionText(driver));

    const Library *library = Library::Find();
    if (library != nullptr) {
      Write(probe->library_version, VersionText(library->version()));
      Write(probe->description, std::string(family::kProduct) + " (" + probe->library_version + "), CUDA " +
                                    probe->cuda_version +
                                    (driver == 0 ? ", no driver" : ", driver for CUDA " + CudaVersionText(driver)) +
                                    (library->has_parser() ? "" : ", no ONNX parser"));
      probe->can_build = library->has_parser() && family::kBuildsForTargets;
    }

    const int count = CountDevices();
    for (int device = 0; device < count && probe->device_count < ED_MAX_DEVICES; device++) {
      probe->devices[device] = DescribeDevice(device, (devices >> device & 1) != 0);
      probe->device_count++;
    }
    probe->can_build = Library::Attached().has_parser();
  });
}

ed_status Build(const uint8_t *onnx, size_t size, const ed_build_options *options, ed_bytes *plan,
                ed_message *message) {
  return Guarded(message, [&] { BuildOnThread(onnx, size, *options, plan); });
}

ed_status InspectPlan(const uint8_t *plan, size_t size, uint32_t device, ed_bytes *json, ed_message *message) {
  return Guarded(message, [&] {
    const std::string text = Inspect(plan, size, device);
    *json = CopyBytes(text.data(), text.size());
  });
}

void FreeBytes(ed_bytes *bytes) {
  std::free(bytes->data);
  *bytes = {};
}

ed_status Load(const uint8_t *plan, size_t size, const ed_model *model, const ed_load_options *options,
               ed_engine **engine, ed_message *message) {
  return Guarded(message, [&] {
    auto loaded = std::make_unique<ed_engine>(plan, size, *model, *options);
    if (options->kernels_out != nullptr) {
      const auto kernels = loaded->engine.CompiledKernels();
      if (kernels != nullptr) *options->kernels_out = CopyBytes(kernels->data(), kernels->size());
    }
    *engine = loaded.release();
  });
}

ed_status Info(const ed_engine *engine, ed_engine_info *info, ed_message *message) {
  return Guarded(message, [&] { *info = engine->engine.Info(); });
}

uint8_t *Allocate(uint32_t device, size_t size) {
  // On whichever device a thread works, it makes a context there.
  void *memory = nullptr;
  if (cudaSetDevice(static_cast<int>(device)) == cudaSuccess && AllocatePinned(&memory, size) == cudaSuccess) {
    return static_cast<uint8_t *>(memory);
  }
  cudaGetLastError();
  return nullptr;
}

void Release(uint32_t device, uint8_t *memory) {
  cudaSetDevice(static_cast<int>(device));
  cudaFreeHost(memory);
}

ed_status Infer(ed_engine *engine, uint32_t context, const ed_frame *frames, const ed_postprocess *postprocess,
                ed_result *results, uint32_t count, ed_message *message) {
  return Guarded(message, [&] { engine->engine.Infer(context, frames, postprocess, results, count); });
}

void Destroy(ed_engine *engine) { delete engine; }

const ed_backend kTable = {
    ED_BACKEND_ABI_VERSION,
    sizeof(ed_backend),
    family::kName,
    Attach,
    Probe,
    Build,
    InspectPlan,
    FreeBytes,
    Load,
    Info,
    Allocate,
    Release,
    Infer,
    Destroy,
};

}  // namespace

}  // namespace efficientdet

extern "C" ED_EXPORT const ed_backend *efficientdet_open_backend(uint32_t abi_version) {
  return abi_version == ED_BACKEND_ABI_VERSION ? &efficientdet::kTable : nullptr;
}
