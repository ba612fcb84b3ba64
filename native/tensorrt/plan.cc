#include "plan.h"

#include "capture_lock.h"
#include "devices.h"
#include "library.h"
#include "log.h"

namespace efficientdet {

Deserialised Deserialise(const uint8_t *plan, size_t size, uint32_t device, bool allow_host_code) {
  const Library &library = Library::Attached();
  const LogListener log;
  UseDevice(device);
  CheckKernels(device);
  const DeviceWork work(device);
  Deserialised made;
  made.runtime = library.CreateRuntime();
  const std::string product = std::string(family::kProduct) + " (" + VersionText(library.version()) + ")";
  if (made.runtime == nullptr) throw log.FailureOf(ED_FAILED, product + " makes no runtime");
  // Engines that run with later versions bring a runtime of their own, as host code.
  made.runtime->setEngineHostCodeAllowed(allow_host_code);
  made.engine.reset(made.runtime->deserializeCudaEngine(plan, size));
  // A device that was lost meanwhile is told as such, whatever TensorRT says.
  if (made.engine == nullptr) UseDevice(device);
  if (made.engine == nullptr) throw log.FailureOf(ED_INVALID, product + " refuses the plan");
  return made;
}

std::string Inspect(const uint8_t *plan, size_t size, uint32_t device) {
  const LogListener log;
  const Deserialised made = Deserialise(plan, size, device, false);
  const std::unique_ptr<nvinfer1::IEngineInspector> inspector(made.engine->createEngineInspector());
  const char *json =
      inspector == nullptr ? nullptr : inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
  if (json == nullptr) throw log.FailureOf(ED_FAILED, std::string(family::kProduct) + " cannot inspect the engine");
  return json;
}

}  // namespace efficientdet
