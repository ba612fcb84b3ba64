// Builds TensorRT-RTX engines from ONNX files on a machine without a GPU, to show that they parse and build.
//
//   rtx-build LIBRARY_FOLDER MODEL.onnx...
//
// Targets compute capabilities 8.9 and 12.0; a dynamic batch gets one profile, 1 to 8 (most likely 1). Prints one
// table row per model; parser errors go to standard error. Exit code 1 if any model fails.

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "NvInfer.h"
#include "NvOnnxParser.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr nvinfer1::ComputeCapability kTargets[] = {nvinfer1::ComputeCapability::kSM89,
                                                    nvinfer1::ComputeCapability::kSM120};
constexpr int kMaxBatch = 8;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Logger : public nvinfer1::ILogger {
  void log(Severity severity, char const* message) noexcept override {
    // Every builder says that it found no driver: that is the point here.
    if (severity <= Severity::kERROR && std::strstr(message, "CUDA") == nullptr) std::fprintf(stderr, "  %s\n", message);
  }
};

template <typename Function>
Function symbol(std::string const& library, char const* name) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  void* found = dlsym(handle, name);
  if (found == nullptr) throw std::runtime_error(library + " has no " + name);
  return reinterpret_cast<Function>(found);
}

template <typename T>
std::unique_ptr<T> owned(T* object, char const* what) {
  if (object == nullptr) throw std::runtime_error(std::string(what) + " could not be created");
  return std::unique_ptr<T>(object);
}

void report(nvonnxparser::IParser const& parser) {
  for (int i = 0; i < parser.getNbErrors(); i++) {
    auto const& error = *parser.getError(i);
    std::fprintf(stderr, "  node %d %s (%s): %s\n", error.node(), error.nodeName(), error.nodeOperator(), error.desc());
  }
}

/// A profile for inputs with a dynamic batch; null when every input is static.
nvinfer1::IOptimizationProfile* batch_profile(nvinfer1::IBuilder& builder, nvinfer1::INetworkDefinition& network) {
  auto* profile = builder.createOptimizationProfile();
  bool dynamic = false;
  for (int i = 0; i < network.getNbInputs(); i++) {
    auto const* input = network.getInput(i);
    nvinfer1::Dims dims = input->getDimensions();
    if (dims.d[0] != -1) continue;
    dynamic = true;
    auto const set = [&](nvinfer1::OptProfileSelector selector, int batch) {
      dims.d[0] = batch;
      if (!profile->setDimensions(input->getName(), selector, dims)) throw std::runtime_error("profile refused");
    };
    set(nvinfer1::OptProfileSelector::kMIN, 1);
    set(nvinfer1::OptProfileSelector::kOPT, 1);
    set(nvinfer1::OptProfileSelector::kMAX, kMaxBatch);
  }
  return dynamic ? profile : nullptr;
}

/// Prints the row of a model, but for its last column: the peak is known when the process has ended.
void build(std::string const& folder, char const* model) {
  auto const create_builder =
      symbol<void* (*)(void*, int32_t)>(folder + "/libtensorrt_rtx.so.1", "createInferBuilder_INTERNAL");
  auto const create_parser = symbol<void* (*)(void*, void*, int)>(folder + "/libtensorrt_onnxparser_rtx.so.1",
                                                                  "createNvOnnxParser_INTERNAL");
  Logger logger;
  auto const builder =
      owned(static_cast<nvinfer1::IBuilder*>(create_builder(&logger, NV_TENSORRT_VERSION)), "the builder");
  auto const network = owned(builder->createNetworkV2(0), "the network");
  auto const parser = owned(
      static_cast<nvonnxparser::IParser*>(create_parser(network.get(), &logger, NV_ONNX_PARSER_VERSION)), "the parser");

  auto start = Clock::now();
  if (!parser->parseFromFile(model, static_cast<int>(nvinfer1::ILogger::Severity::kERROR))) {
    report(*parser);
    throw std::runtime_error("does not parse");
  }
  double const parse_seconds = seconds_since(start);

  auto const config = owned(builder->createBuilderConfig(), "the configuration");
  config->setNbComputeCapabilities(static_cast<int32_t>(std::size(kTargets)));
  for (size_t i = 0; i < std::size(kTargets); i++) config->setComputeCapability(kTargets[i], static_cast<int32_t>(i));
  if (auto* profile = batch_profile(*builder, *network)) config->addOptimizationProfile(profile);

  start = Clock::now();
  auto const plan = owned(builder->buildSerializedNetwork(*network, *config), "the plan");
  std::printf("| %s | %d | %.1f | %.1f | %.1f |", model, network->getNbLayers(), parse_seconds, seconds_since(start),
              static_cast<double>(plan->size()) / 1e6);
  std::fflush(stdout);
}

/// Builds in a process of its own, so that its peak memory can be told and a crash is one model's failure.
bool build_apart(std::string const& folder, char const* model) {
  pid_t const child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    try {
      build(folder, model);
      // Libraries that found no driver may stumble over it again while they unload.
      _exit(0);
    } catch (std::exception const& error) {
      std::fprintf(stderr, "%s: %s\n", model, error.what());
      _exit(1);
    }
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  if (WIFSIGNALED(status)) std::fprintf(stderr, "%s: ended by signal %d\n", model, WTERMSIG(status));
  bool const built = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (built) {
    std::printf(" %.0f |\n", static_cast<double>(usage.ru_maxrss) * 1024 / 1e6);
  } else {
    std::printf("| %s | failed | | | | |\n", model);
  }
  std::fflush(stdout);
  return built;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: rtx-build LIBRARY_FOLDER MODEL.onnx...\n");
    return 2;
  }
  std::printf("| file | layers | parse s | build s | plan MB | peak MB |\n");
  std::printf("| --- | ---: | ---: | ---: | ---: | ---: |\n");
  std::fflush(stdout);
  bool all = true;
  for (int i = 2; i < argc; i++) all = build_apart(argv[1], argv[i]) && all;
  return all ? 0 : 1;
}
