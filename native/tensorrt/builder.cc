#include "builder.h"

#include <algorithm>
#include <optional>

#include "capture_lock.h"
#include "devices.h"
#include "library.h"
#include "network.h"

namespace efficientdet {

namespace {

using nvinfer1::BuilderFlag;
using nvinfer1::IBuilderConfig;
using nvinfer1::INetworkDefinition;

/** How many of a graph's errors a message quotes. */
constexpr int kQuotedErrors = 3;

std::string Product() { return std::string(family::kProduct); }

void CheckOptions(const BuildRequest &request) {
  if (request.max_batch_size == 0 || request.max_batch_size > INT32_MAX) {
    throw Failure{ED_INVALID,
                  "The largest batch is " + std::to_string(request.max_batch_size) + "; it must be 1 or more."};
  }
  if (request.optimisation_level < -1 || request.optimisation_level > 5) {
    throw Failure{ED_INVALID, "The optimisation level is " + std::to_string(request.optimisation_level) +
                                  "; it must be 0 to 5, or -1 for " + Product() + "'s own."};
  }
  if (!family::kBuildsForTargets && !request.targets.empty()) {
    throw Failure{ED_INVALID, Product() + " builds for the device that it runs on: give no targets, and build on the " +
                                  "machine that shall run the engine."};
  }
  if (!family::kHasCompatibleEngines && request.version_compatible) {
    throw Failure{ED_INVALID, Product() + " has no engines that run with other versions of it."};
  }
  if (!family::kHasCompatibleEngines && request.hardware_compatible) {
    throw Failure{ED_INVALID,
                  Product() + " has no engines for any later device: name compute capabilities as targets."};
  }
}

/** "node /fpn/conv (Conv): what is wrong", for each error. */
std::string ParserErrors(const nvonnxparser::IParser &parser) {
  std::string text;
  const int count = parser.getNbErrors();
  for (int i = 0; i < std::min(count, kQuotedErrors); i++) {
    const nvonnxparser::IParserError &error = *parser.getError(i);
    const auto known = [](const char *name) { return name != nullptr && name[0] != '\0'; };
    text += "\n";
    if (known(error.nodeName())) {
      text += "node " + std::string(error.nodeName());
      if (known(error.nodeOperator())) text += " (" + std::string(error.nodeOperator()) + ")";
      text += ": ";
    }
    text += error.desc();
  }
  if (count > kQuotedErrors) text += "\nand " + std::to_string(count - kQuotedErrors) + " more.";
  return text;
}

void Parse(const BuildRequest &request, nvonnxparser::IParser &parser, const LogListener &log) {
  if (parser.parse(request.onnx.data(), request.onnx.size())) return;
  if (parser.getNbErrors() > 0 && !log.OutOfMemory()) {
    throw Failure{ED_INVALID, Product() + " refuses the graph:" + ParserErrors(parser)};
  }
  throw log.FailureOf(ED_INVALID, Product() + " cannot read the graph");
}

/** One profile for each of its batch sizes, or none where no input has a batch of any size. */
void AddProfiles(nvinfer1::IBuilder &builder, const INetworkDefinition &network, uint32_t max_batch_size,
                 IBuilderConfig &config) {
  std::vector<nvinfer1::ITensor *> dynamic;
  for (int32_t i = 0; i < network.getNbInputs(); i++) {
    nvinfer1::ITensor *input = network.getInput(i);
    const nvinfer1::Dims shape = input->getDimensions();
    const std::string name = std::string("The graph's input ") + input->getName();
    for (int32_t d = 1; d < shape.nbDims; d++) {
      if (shape.d[d] == -1) {
        throw Failure{ED_INVALID, name + " leaves dimension " + std::to_string(d) +
                                      " open; only the first one, the batch, may be."};
      }
    }
    if (shape.nbDims > 0 && shape.d[0] == -1) {
      dynamic.push_back(input);
    } else if (shape.nbDims > 0 && shape.d[0] != static_cast<int64_t>(max_batch_size)) {
      throw Failure{ED_INVALID, name + " takes batches of " + std::to_string(shape.d[0]) + " and no others, and " +
                                    std::to_string(max_batch_size) +
                                    " is asked for as the largest: ask for that batch, "
                                    "or export the graph with a dynamic one."};
    }
  }
  if (dynamic.empty()) return;

  uint32_t smallest = 1;
  for (const uint32_t batch_size : ProfileBatchSizes(max_batch_size)) {
    // The builder owns it.
    nvinfer1::IOptimizationProfile *profile = builder.createOptimizationProfile();
    bool taken = profile != nullptr;
    for (const nvinfer1::ITensor *input : dynamic) {
      const auto set = [&](nvinfer1::OptProfileSelector selector, uint32_t batch) {
        nvinfer1::Dims shape = input->getDimensions();
        shape.d[0] = static_cast<int64_t>(batch);
        taken = taken && profile->setDimensions(input->getName(), selector, shape);
      };
      set(nvinfer1::OptProfileSelector::kMIN, smallest);
      set(nvinfer1::OptProfileSelector::kOPT, batch_size);
      set(nvinfer1::OptProfileSelector::kMAX, batch_size);
    }
    if (!taken || config.addOptimizationProfile(profile) < 0) {
      throw Failure{ED_FAILED, Product() + " refuses an optimisation profile for batches of " +
                                   std::to_string(smallest) + " to " + std::to_string(batch_size) + "."};
    }
    smallest = batch_size + 1;
  }
}

/** Lets the heads' last convolutions write as our kernels read, with no pass between. */
void SetOutputFormats(const INetworkDefinition &network) {
  for (int32_t i = 0; i < network.getNbOutputs(); i++) {
    nvinfer1::ITensor *output = network.getOutput(i);
    if (output->getDimensions().nbDims != 4) continue;
    output->setAllowedFormats(1U << static_cast<uint32_t>(HeadFormat(output->getType())));
  }
}

void SetFlag(IBuilderConfig &config, BuilderFlag flag, bool on) {
  if (on) {
    config.setFlag(flag);
  } else {
    config.clearFlag(flag);
  }
}

}  // namespace

std::vector<uint32_t> ProfileBatchSizes(uint32_t max_batch_size) {
  std::vector<uint32_t> batch_sizes;
  for (uint32_t batch_size = 1; batch_size < max_batch_size && batch_size <= 32; batch_size *= 2)
    batch_sizes.push_back(batch_size);
  batch_sizes.push_back(max_batch_size);
  return batch_sizes;
}

BuiltEngine BuildEngine(BuildRequest &request, nvinfer1::IProgressMonitor &monitor, const LogListener &log) {
  const Library &library = Library::Attached();
  CheckOptions(request);
  const bool on_device = !family::kBuildsForTargets || request.targets.empty();
  std::optional<DeviceWork> work;
  if (on_device) {
    UseDevice(request.device);
    work.emplace(request.device);
  }

  const auto builder = library.CreateBuilder();
  if (builder == nullptr) throw log.FailureOf(ED_FAILED, Product() + " makes no builder");
  const std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(family::kNetworkFlags));
  const std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  if (network == nullptr || config == nullptr) throw log.FailureOf(ED_FAILED, Product() + " makes no network");
  family::SetTargets(*config, request.targets);
  family::RequireCapture(*config);

  // The network may use what the parser holds, so this lives as long.
  const auto parser = library.CreateParser(*network);
  if (parser == nullptr) throw log.FailureOf(ED_FAILED, Product() + " makes no parser");
  Parse(request, *parser, log);
  if (network->getNbInputs() == 0 || network->getNbOutputs() == 0) {
    throw Failure{ED_INVALID, Product() + " finds no graph with inputs and outputs in these bytes."};
  }
  // Hundreds of megabytes, for a large model, of which the parser has made copies of its own.
  std::vector<uint8_t>().swap(request.onnx);

  SetOutputFormats(*network);
  AddProfiles(*builder, *network, request.max_batch_size, *config);
  if (request.workspace_bytes > 0) {
    config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, request.workspace_bytes);
  }
  if (request.optimisation_level >= 0) config->setBuilderOptimizationLevel(request.optimisation_level);
  SetFlag(*config, BuilderFlag::kTF32, request.tf32);
  SetFlag(*config, BuilderFlag::kVERSION_COMPATIBLE, request.version_compatible);
  if (request.hardware_compatible) {
    config->setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel::kAMPERE_PLUS);
  }
  // So that the plan can tell each layer's precision.
  config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
  const auto timing_cache = request.wants_timing_cache || !request.timing_cache.empty()
                                ? family::SetTimingCache(*config, request.timing_cache)
                                : nullptr;
  config->setProgressMonitor(&monitor);

  BuiltEngine built;
  built.plan.reset(builder->buildSerializedNetwork(*network, *config));
  if (built.plan == nullptr) throw log.FailureOf(ED_FAILED, Product() + " could not build the engine");
  if (request.wants_timing_cache && timing_cache != nullptr) built.timing_cache.reset(timing_cache->serialize());
  return built;
}

}  // namespace efficientdet
