/*
 * Prints the layers that TensorRT-RTX makes of a graph, which its log tells when it builds, and no device is needed:
 *
 *   tensorrt_layers FOLDER MODEL.onnx MAX_BATCH_SIZE
 *
 * FOLDER holds its libraries. It builds as the backend does; only the log is another.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "../builder.h"
#include "../library.h"
#include "../log.h"

namespace efficientdet {

/** Prints what tells of layers, and errors. */
class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char *line) noexcept override {
    // All layers are one entry of many lines.
    if (std::strstr(line, ", LayerType: ") != nullptr) std::puts(line);
    if (severity <= Severity::kERROR) std::fprintf(stderr, "%s\n", line);
  }
};

nvinfer1::ILogger &Log() {
  static auto *logger = new Logger;
  return *logger;
}

LogListener::LogListener(std::function<void(ed_severity, const char *)> forward)
    : forward_(std::move(forward)), outer_(nullptr) {}
LogListener::~LogListener() = default;
bool LogListener::OutOfMemory() const { return false; }
Failure LogListener::FailureOf(ed_status status, const std::string &what) const { return {status, what}; }

namespace {

/** Hears nothing and goes on. */
class Monitor final : public nvinfer1::IProgressMonitor {
 public:
  void phaseStart(const char *, const char *, int32_t) noexcept override {}
  bool stepComplete(const char *, int32_t) noexcept override { return true; }
  void phaseFinish(const char *) noexcept override {}
};

int Main(const char *folder, const char *model, const char *max_batch_size) {
  try {
    Library::Attach(folder);
    std::ifstream file(model, std::ios::binary);
    BuildRequest request{};
    request.onnx = std::vector<uint8_t>((std::istreambuf_iterator<char>(file)), {});
    request.max_batch_size = static_cast<uint32_t>(std::atoi(max_batch_size));
    request.targets = {89};
    request.optimisation_level = -1;
    Monitor monitor;
    BuildEngine(request, monitor, LogListener());
    return 0;
  } catch (const Failure &failure) {
    std::fprintf(stderr, "%s\n", failure.message.c_str());
    return 1;
  }
}

}  // namespace
}  // namespace efficientdet

int main(int argc, char **argv) {
  if (argc == 4) return efficientdet::Main(argv[1], argv[2], argv[3]);
  std::fputs("tensorrt_layers FOLDER MODEL.onnx MAX_BATCH_SIZE\n", stderr);
  return 2;
}
