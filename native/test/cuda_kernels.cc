/*
 * Runs the CUDA kernels for test/native/kernels-*.test.ts, or on a GPU (gpu/steps/replay.ts): reads
 * requests from standard input and writes answers to standard output, in little-endian numbers.
 *
 * Everything is run twice and must come out the same; on the CPU, with blocks and threads in different orders.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "detections.h"
#include "head_levels.h"
#include "launch.h"
#include "preprocess.h"
#include "yuv.h"
#if __has_include("emulation.h")
#include "emulation.h"
using emulation::SetOrder;
#else
/** A device has its own orders. */
static void SetOrder(int) {}
#endif

namespace {

[[noreturn]] void Fail(const char *what) {
  std::fprintf(stderr, "cuda_kernels: %s\n", what);
  std::exit(1);
}

void Check(cudaError_t error) {
  if (error != cudaSuccess) Fail(cudaGetErrorString(error));
}

template <class T>
std::vector<T> Read(size_t count) {
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, stdin) != count) Fail("the request ends early");
  return values;
}

template <class T>
void Write(const std::vector<T> &values) {
  if (std::fwrite(values.data(), sizeof(T), values.size(), stdout) != values.size()) Fail("cannot write");
}

/** Device memory with a copy of something, or with garbage. */
template <class T>
class Device {
 public:
  explicit Device(size_t count) : count_(count) { Check(cudaMalloc(&memory_, count * sizeof(T))); }
  explicit Device(const std::vector<T> &values) : Device(values.size()) {
    Check(cudaMemcpy(memory_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~Device() { cudaFree(memory_); }
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  T *get() const { return memory_; }
  std::vector<T> Download() const {
    std::vector<T> values(count_);
    Check(cudaMemcpy(values.data(), memory_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  size_t count_;
  T *memory_ = nullptr;
};

/** A head on the device, level by level. */
class HeadLevels {
 public:
  HeadLevels(const DetectionsShape &shape, size_t batch, int32_t values, const std::vector<float> &joined) {
    for (const auto &level : HeadBytes(shape, batch, values, joined)) levels_.push_back(new Device<uint8_t>(level));
  }
  ~HeadLevels() {
    for (const auto *level : levels_) delete level;
  }
  HeadLevels(const HeadLevels &) = delete;
  HeadLevels &operator=(const HeadLevels &) = delete;

  void Place(const void **pointers) const {
    for (const auto *level : levels_) *pointers++ = level->get();
  }

 private:
  std::vector<Device<uint8_t> *> levels_;
};

/** Runs something twice, in two orders. `run` gives its results. */
template <class Run>
auto InBothOrders(Run run) {
  SetOrder(0);
  auto result = run();
  SetOrder(5);
  if (run() != result) Fail("another order of blocks and threads gives another result");
  return result;
}

/** int32: width, height, resize, half, batch; float32: mean, std, fill; each frame. Answers with the input's bytes. */
void Preprocess() {
  const auto head = Read<int32_t>(5);
  PreprocessModel model{};
  model.width = head[0];
  model.height = head[1];
  model.resize = static_cast<ed_resize>(head[2]);
  model.half = head[3] != 0;
  const int32_t batch = head[4];
  for (float(*values)[3] : {&model.mean, &model.std, &model.fill}) std::memcpy(*values, Read<float>(3).data(), 12);
  std::vector<PreprocessFrame> frames;
  std::vector<Device<uint8_t> *> images;
  for (int32_t i = 0; i < batch; ++i) {
    // Format, matrix, range, width, height, bytes, then each plane's offset and stride; width 0 for no frame.
    const auto values = Read<uint32_t>(12);
    ed_frame frame{};
    frame.format = static_cast<ed_format>(values[0]);
    frame.matrix = static_cast<ed_matrix>(values[1]);
    frame.range = static_cast<ed_range>(values[2]);
    frame.width = values[3];
    frame.height = values[4];
    if (frame.width == 0) {
      frames.push_back({});
      continue;
    }
    images.push_back(new Device<uint8_t>(Read<uint8_t>(values[5])));
    for (int plane = 0; plane < 3; ++plane) {
      frame.planes[plane] = images.back()->get() + values[6 + plane];
      frame.strides[plane] = values[9 + plane];
    }
    const auto width = static_cast<uint32_t>(model.width);
    const auto height = static_cast<uint32_t>(model.height);
    frames.push_back(MakePreprocessFrame(frame, FitLetterbox(frame.width, frame.height, width, height)));
  }
  const size_t values = size_t{3} * batch * model.width * model.height;
  Write(InBothOrders([&] {
    const Device<PreprocessFrame> descriptions(frames);
    const Device<uint8_t> input(values * (model.half ? 2 : 4));
    const Device<uint8_t> workspace(PreprocessWorkspace(model, batch));
    Check(LaunchPreprocess(nullptr, model, descriptions.get(), batch, input.get(), workspace.get()));
    Check(cudaDeviceSynchronize());
    return input.Download();
  }));
  for (auto *image : images) delete image;
}

/** A thread for each U of a block's V, which goes through all Y. */
__global__ void ConvertAll(YuvCoefficients coefficients, uint8_t *rgb) {
  const size_t chroma = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int y = 0; y < 256; ++y) {
    const uint32_t pixel = RgbOfYuv(coefficients, y, static_cast<int>(threadIdx.x), static_cast<int>(blockIdx.x));
    for (int channel = 0; channel < 3; ++channel) {
      rgb[3 * (256 * chroma + y) + channel] = static_cast<uint8_t>(pixel >> (8 * channel));
    }
  }
}

/** int32: matrix, range. Answers with R, G and B of all 2²⁴ colours: for each V, each U, each Y. */
void Colours() {
  const auto head = Read<int32_t>(2);
  Write(InBothOrders([&] {
    const Device<uint8_t> rgb(size_t{3} << 24);
    Check(Launch(ConvertAll, dim3(256), dim3(256), nullptr, kYuvCoefficients[head[0]][head[1]], rgb.get()));
    Check(cudaDeviceSynchronize());
    return rgb.Download();
  }));
}

/**
 * int32: batch, type, levels, cells of each, anchors per cell, classes, candidates, detections; float32: regressions,
 * logits, anchors, score thresholds, postprocess. Answers with int32 counts, then float32 detections.
 *
 * Regressions and logits come joined, batch × anchors × values, and are laid out here as the network does.
 */
void Detections() {
  const auto head = Read<int32_t>(3);
  const auto batch = static_cast<size_t>(head[0]);
  DetectionsShape shape{};
  shape.type = static_cast<HeadType>(head[1]);
  shape.levels = head[2];
  if (shape.levels < 1 || shape.levels > kMaxLevels) Fail("so many levels are not possible");
  const auto cells = Read<int32_t>(static_cast<size_t>(shape.levels));
  std::copy(cells.begin(), cells.end(), shape.cells);
  const auto rest = Read<int32_t>(4);
  shape.anchors_per_cell = rest[0];
  shape.classes = rest[1];
  shape.candidates = rest[2];
  shape.detections = rest[3];
  const auto anchors = static_cast<size_t>(shape.anchors());
  const auto classes = static_cast<size_t>(shape.classes);
  const HeadLevels regression(shape, batch, 4, Read<float>(batch * anchors * 4));
  const HeadLevels logits(shape, batch, shape.classes, Read<float>(batch * anchors * classes));
  const Device<float> anchor_boxes(Read<float>(anchors * 4));
  auto thresholds = Read<float>(batch * classes);
  for (float &threshold : thresholds) threshold = LogitThreshold(threshold);
  const Device<float> logit_thresholds(thresholds);
  const Device<float> postprocess(Read<float>(batch * kPostprocessFields));
  DetectionsInputs inputs{};
  regression.Place(inputs.box_regression);
  logits.Place(inputs.class_logits);
  inputs.anchors = anchor_boxes.get();
  inputs.class_thresholds = logit_thresholds.get();
  inputs.postprocess = postprocess.get();
  int multiprocessors = 0;
  Check(CountMultiprocessors(&multiprocessors));
  const auto [counts, detections] = InBothOrders([&] {
    const Device<float> rows(batch * static_cast<size_t>(shape.detections) * kDetectionFields);
    const Device<int32_t> numbers(batch * kCountFields);
    const Device<uint8_t> workspace(DetectionsWorkspace(head[0], shape));
    Check(LaunchDetections(nullptr, multiprocessors, head[0], shape, inputs, {rows.get(), numbers.get()},
                           workspace.get()));
    Check(cudaDeviceSynchronize());
    return std::pair(numbers.Download(), rows.Download());
  });
  Write(counts);
  Write(detections);
}

}  // namespace

int main() {
  for (int command; (command = std::getchar()) != EOF;) {
    if (command == 'p') {
      Preprocess();
    } else if (command == 'd') {
      Detections();
    } else if (command == 'y') {
      Colours();
    } else {
      Fail("unknown request");
    }
  }
}
