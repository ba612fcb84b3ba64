/*
 * Times the CUDA kernels of D0 and D7x on this machine's device, and a copy. What must be read and written, at the
 * copy's bandwidth, is the floor.
 *
 * Prints one JSON object a line (gpu/times.ts).
 *
 *   cuda_times           batches of 1, 8 and 32
 *   cuda_times --small   a small network, once, to see that it runs
 *
 * Each time is that of a graph of launches, replayed. Each launch has inputs of its own: so many that no cache holds
 * them all.
 */
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "detections.h"
#include "launch.h"
#include "preprocess.h"

namespace {

void Check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "cuda_times: %s\n", cudaGetErrorString(error));
  std::exit(1);
}

template <class T>
class Device {
 public:
  explicit Device(size_t count) : count_(count) { Check(cudaMalloc(&memory_, count * sizeof(T))); }
  explicit Device(const std::vector<T> &values) : Device(values.size()) {
    Check(cudaMemcpy(memory_, values.data(), bytes(), cudaMemcpyHostToDevice));
  }
  ~Device() { cudaFree(memory_); }
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  T *get() const { return memory_; }
  size_t count() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }

 private:
  size_t count_;
  T *memory_ = nullptr;
};

struct Model {
  const char *name;
  int32_t side;
  int32_t max_level;
  int32_t classes;
};

struct Plan {
  std::vector<Model> models;
  std::vector<int32_t> batches;
  uint32_t frame_width;
  uint32_t frame_height;
  /** Class scores of a frame that are above the threshold, about: in usual pictures, and in crowds. */
  std::vector<size_t> candidates;
  /** Bytes of a copy, and of all inputs of a graph together, so that they come from memory. */
  size_t copy_bytes;
  size_t input_bytes;
  /** Replays between two events, and the rounds of which the median is told. */
  int replays;
  int rounds;
};

const Plan kWhole = {{{"D0", 512, 7, 90}, {"D7x", 1536, 8, 90}},
                     {1, 8, 32},
                     1920,
                     1080,
                     {200, 5000},
                     size_t{1} << 30,
                     size_t{1} << 29,
                     5,
                     7};
const Plan kSmall = {{{"small", 128, 7, 3}}, {1, 2}, 64, 48, {20, 200}, size_t{1} << 16, 1, 2, 1};

// --- Data -----------------------------------------------------------------------------------------------------------

__device__ uint32_t Hash(uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

__global__ void FillBytes(uint8_t *to, size_t count) {
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    to[i] = static_cast<uint8_t>(Hash(static_cast<uint32_t>(i)));
  }
}

/** low…high, and of each `each` numbers one that is `rare`. */
__global__ void FillHalves(__half *to, size_t count, float low, float high, uint32_t each, float rare) {
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    const uint32_t hash = Hash(static_cast<uint32_t>(i));
    const float fraction = static_cast<float>(hash >> 8) / 16777216.0f;
    to[i] = __float2half_rn(Hash(hash) % each == 0 ? rare + fraction : low + (high - low) * fraction);
  }
}

__global__ void CopyAll(const float4 *from, float4 *to, size_t count) {
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) to[i] = from[i];
}

/** Nine for each cell of each level: centre y, centre x, height, width. */
std::vector<float> AnchorsOf(const Model &model) {
  std::vector<float> anchors;
  for (int32_t level = 3; level <= model.max_level; level++) {
    const int32_t stride = 1 << level;
    const int32_t cells = (model.side + stride - 1) / stride;
    for (int32_t cell = 0; cell < cells * cells; cell++) {
      for (int shape = 0; shape < 9; shape++) {
        const int32_t octave = shape / 3;
        const float size = 4.0f * static_cast<float>(stride) * std::exp2(static_cast<float>(octave) / 3);
        const float ratio = std::exp2(0.5f * static_cast<float>(shape % 3 - 1));
        const int32_t row = cell / cells;
        anchors.push_back((static_cast<float>(row) + 0.5f) * static_cast<float>(stride));
        anchors.push_back((static_cast<float>(cell % cells) + 0.5f) * static_cast<float>(stride));
        anchors.push_back(size * ratio);
        anchors.push_back(size / ratio);
      }
    }
  }
  return anchors;
}

// --- Time -----------------------------------------------------------------------------------------------------------

class Timer {
 public:
  explicit Timer(const Plan &plan) : plan_(plan) {
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    for (cudaEvent_t *event : {&begin_, &end_}) Check(cudaEventCreateWithFlags(event, cudaEventDefault));
  }
  ~Timer() {
    for (cudaEvent_t event : {begin_, end_}) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }
  Timer(const Timer &) = delete;
  Timer &operator=(const Timer &) = delete;

  /** Milliseconds of one launch. `launch` is given the stream and its number, 0…launches-1. */
  float Time(int launches, const std::function<cudaError_t(cudaStream_t, int)> &launch) {
    // Our stream does not wait for the one in which inputs are filled.
    Check(cudaDeviceSynchronize());
    // What is brought but once is not part of the graph.
    Check(launch(stream_, 0));
    Check(cudaStreamSynchronize(stream_));
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    Check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < launches; i++) Check(launch(stream_, i));
    Check(cudaStreamEndCapture(stream_, &graph));
    Check(cudaGraphInstantiate(&executable, graph, 0));
    std::vector<float> times;
    for (int round = -1; round < plan_.rounds; round++) {
      Check(cudaEventRecord(begin_, stream_));
      for (int i = 0; i < plan_.replays; i++) Check(cudaGraphLaunch(executable, stream_));
      Check(cudaEventRecord(end_, stream_));
      Check(cudaStreamSynchronize(stream_));
      float milliseconds = 0;
      Check(cudaEventElapsedTime(&milliseconds, begin_, end_));
      if (round >= 0) times.push_back(milliseconds / static_cast<float>(plan_.replays * launches));
    }
    Check(cudaGraphExecDestroy(executable));
    Check(cudaGraphDestroy(graph));
    std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
  }

  /** Launches of a graph whose inputs are of these bytes each. */
  int LaunchesFor(size_t bytes) const { return static_cast<int>(std::clamp<size_t>(plan_.input_bytes / bytes, 1, 32)); }

 private:
  const Plan &plan_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

/** Bytes a millisecond, read and written, of the faster of CUDA's copy and a kernel's. */
double CopyBandwidth(const Plan &plan, Timer &timer) {
  const Device<float4> from(plan.copy_bytes / sizeof(float4));
  const Device<float4> to(from.count());
  Check(cudaMemsetAsync(from.get(), 0, from.bytes(), nullptr));
  const float copied = timer.Time(1, [&](cudaStream_t stream, int) {
    return cudaMemcpyAsync(to.get(), from.get(), from.bytes(), cudaMemcpyDeviceToDevice, stream);
  });
  const auto blocks = static_cast<unsigned>((from.count() + 1023) / 1024);
  const float by_kernel = timer.Time(1, [&](cudaStream_t stream, int) {
    return Launch(CopyAll, dim3(blocks), dim3(256), stream, static_cast<const float4 *>(from.get()), to.get(),
                  from.count());
  });
  const double bandwidth = 2 * static_cast<double>(from.bytes()) / std::min(copied, by_kernel);
  std::printf("{\"stage\":\"copy\",\"bytes\":%zu,\"memcpyMs\":%.4f,\"kernelMs\":%.4f,\"gigabytesPerSecond\":%.1f}\n",
              from.bytes(), copied, by_kernel, bandwidth / 1e6);
  return bandwidth;
}

void Tell(const char *stage, const char *kind, const Model &model, int32_t batch, float milliseconds, size_t bytes,
          size_t workspace, double bandwidth) {
  const double floor = static_cast<double>(bytes) / bandwidth;
  std::printf(
      "{\"stage\":\"%s\",\"kind\":\"%s\",\"model\":\"%s\",\"batch\":%d,\"ms\":%.4f,\"bytes\":%zu,\"workspace\":%zu,"
      "\"floorMs\":%.4f,\"ratio\":%.3f}\n",
      stage, kind, model.name, batch, milliseconds, bytes, workspace, floor, milliseconds / floor);
  std::fflush(stdout);
}

void TimePreprocess(const Plan &plan, const Model &model, int32_t batch, ed_resize resize, bool half, Timer &timer,
                    double bandwidth) {
  PreprocessModel how{};
  how.width = how.height = model.side;
  for (float &deviation : how.std) deviation = 255;
  how.resize = resize;
  how.half = half;
  const size_t frame_bytes = size_t{3} * plan.frame_width * plan.frame_height;
  const size_t input_bytes = size_t{3} * static_cast<size_t>(model.side * model.side) * (half ? 2 : 4);
  const auto count = static_cast<size_t>(batch);
  const int launches = timer.LaunchesFor(count * (frame_bytes + input_bytes));
  const Device<uint8_t> pixels(static_cast<size_t>(launches) * count * frame_bytes);
  const Device<uint8_t> inputs(static_cast<size_t>(launches) * count * input_bytes);
  Check(Launch(FillBytes, dim3(1024), dim3(256), nullptr, pixels.get(), pixels.bytes()));
  const auto side = static_cast<uint32_t>(model.side);
  std::vector<PreprocessFrame> frames;
  for (size_t i = 0; i < static_cast<size_t>(launches) * count; i++) {
    ed_frame frame{};
    frame.format = ED_RGB;
    frame.memory = ED_DEVICE;
    frame.width = plan.frame_width;
    frame.height = plan.frame_height;
    frame.planes[0] = pixels.get() + i * frame_bytes;
    frame.strides[0] = 3 * plan.frame_width;
    frames.push_back(MakePreprocessFrame(frame, FitLetterbox(frame.width, frame.height, side, side)));
  }
  const Device<PreprocessFrame> descriptions(frames);
  const Device<uint8_t> workspace(PreprocessWorkspace(how, batch));
  const float milliseconds = timer.Time(launches, [&](cudaStream_t stream, int i) {
    const size_t at = static_cast<size_t>(i) * count;
    return LaunchPreprocess(stream, how, descriptions.get() + at, batch, inputs.get() + at * input_bytes,
                            workspace.get());
  });
  const char *kinds[2][2] = {{"antialiased float32", "antialiased float16"}, {"bilinear float32", "bilinear float16"}};
  Tell("preprocess", kinds[resize == ED_BILINEAR][half], model, batch, milliseconds,
       count * (frame_bytes + input_bytes), workspace.bytes(), bandwidth);
}

/** A network's heads in float16. */
DetectionsShape ShapeOf(const Model &model) {
  DetectionsShape shape{};
  for (int32_t level = 3; level <= model.max_level; level++) {
    const int32_t stride = 1 << level;
    const int32_t side = (model.side + stride - 1) / stride;
    shape.cells[shape.levels++] = side * side;
  }
  shape.anchors_per_cell = 9;
  shape.classes = model.classes;
  shape.type = kHeadFloat16;
  shape.candidates = 5000;
  shape.detections = 100;
  return shape;
}

/** Where the levels of a launch's batch lie in a head, one after another. */
void Place(const DetectionsShape &shape, const __half *head, int32_t channels, int32_t batch, int launch,
           const void **levels) {
  int64_t cells = 0;
  for (int32_t level = 0; level < shape.levels; level++) cells += shape.cells[level];
  const __half *at = head + cells * channels * batch * launch;
  for (int32_t level = 0; level < shape.levels; level++) {
    levels[level] = at;
    at += int64_t{shape.cells[level]} * channels * batch;
  }
}

void TimeDetections(const Model &model, int32_t batch, size_t candidates, Timer &timer, double bandwidth) {
  const Device<float> anchors(AnchorsOf(model));
  const DetectionsShape shape = ShapeOf(model);
  int multiprocessors = 0;
  Check(CountMultiprocessors(&multiprocessors));
  const auto count = static_cast<size_t>(batch);
  const size_t cells = anchors.count() / 36;
  const size_t boxes = cells * static_cast<size_t>(shape.box_channels());
  const size_t scores = cells * static_cast<size_t>(shape.logit_channels());
  const size_t bytes = count * (boxes + scores) * sizeof(__half);
  const int launches = timer.LaunchesFor(bytes);
  size_t free = 0;
  size_t total = 0;
  Check(cudaMemGetInfo(&free, &total));
  const size_t needed = static_cast<size_t>(launches) * bytes + DetectionsWorkspace(batch, shape) + (size_t{64} << 20);
  if (needed > free) {
    std::printf("{\"model\":\"%s\",\"batch\":%d,\"left_out\":\"it needs %zu MB, and %zu are free\"}\n", model.name,
                batch, needed >> 20, free >> 20);
    return;
  }
  const Device<__half> regression(static_cast<size_t>(launches) * count * boxes);
  const Device<__half> logits(static_cast<size_t>(launches) * count * scores);
  Check(Launch(FillHalves, dim3(1024), dim3(256), nullptr, regression.get(), regression.count(), -0.5f, 0.5f, 1u << 30,
               0.0f));
  const auto each = static_cast<uint32_t>(std::max<size_t>(1, scores / candidates));
  Check(Launch(FillHalves, dim3(1024), dim3(256), nullptr, logits.get(), logits.count(), -9.0f, -5.0f, each, 0.0f));
  std::vector<float> parameters;
  for (int32_t i = 0; i < batch; i++) {
    for (const float value :
         {0.5f, 100.0f, 5000.0f, 0.0f, 1.0f, static_cast<float>(model.side), static_cast<float>(model.side), 0.0f}) {
      parameters.push_back(value);
    }
  }
  const Device<float> postprocess(parameters);
  const Device<float> thresholds(std::vector<float>(count * static_cast<size_t>(model.classes), LogitThreshold(0.4f)));
  const Device<float> rows(count * static_cast<size_t>(shape.detections) * kDetectionFields);
  const Device<int32_t> numbers(count * kCountFields);
  const Device<uint8_t> workspace(DetectionsWorkspace(batch, shape));
  const float milliseconds = timer.Time(launches, [&](cudaStream_t stream, int i) {
    DetectionsInputs inputs{};
    Place(shape, regression.get(), shape.box_channels(), batch, i, inputs.box_regression);
    Place(shape, logits.get(), shape.logit_channels(), batch, i, inputs.class_logits);
    inputs.anchors = anchors.get();
    inputs.class_thresholds = thresholds.get();
    inputs.postprocess = postprocess.get();
    return LaunchDetections(stream, multiprocessors, batch, shape, inputs, {rows.get(), numbers.get()},
                            workspace.get());
  });
  Tell("decode + NMS", (std::to_string(candidates) + " candidates, float16").c_str(), model, batch, milliseconds, bytes,
       workspace.bytes(), bandwidth);
}

}  // namespace

int main(int argc, char **argv) {
  const Plan &plan = argc > 1 && std::strcmp(argv[1], "--small") == 0 ? kSmall : kWhole;
  Timer timer(plan);
  const double bandwidth = CopyBandwidth(plan, timer);
  for (const Model &model : plan.models) {
    for (const int32_t batch : plan.batches) {
      for (const ed_resize resize : {ED_ANTIALIASED, ED_BILINEAR}) {
        for (const bool half : {true, false}) TimePreprocess(plan, model, batch, resize, half, timer, bandwidth);
      }
      for (const size_t candidates : plan.candidates) TimeDetections(model, batch, candidates, timer, bandwidth);
    }
  }
}
