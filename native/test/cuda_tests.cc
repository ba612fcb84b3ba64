/*
 * Tests of the CPU stand-in for CUDA and of the kernels on it, plainly and under sanitizers (CMake's
 * EFFICIENTDET_SANITIZE). Each function is one; a failed CHECK ends the program.
 *
 * What kernels compute, test/native/kernels-*.test.ts compare with the TypeScript reference; here is what that cannot
 * reach.
 */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "detections.h"
#include "emulation.h"
#include "head_levels.h"
#include "launch.h"
#include "preprocess.h"

namespace {

void Check(cudaError_t error) { CHECK(error == cudaSuccess); }

class Stream {
 public:
  Stream() { Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  cudaStream_t get() const { return stream_; }
  void Synchronise() const { Check(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/** Memory of the device, or of the host for fast copies. */
template <class T>
class Memory {
 public:
  enum Place { kDevice, kHost };

  Memory(Place place, size_t count) : place_(place), count_(count) {
    Check(place == kDevice ? cudaMalloc(&memory_, count * sizeof(T)) : cudaMallocHost(&memory_, count * sizeof(T)));
  }
  explicit Memory(const std::vector<T> &values) : Memory(kDevice, values.size()) { Upload(values); }
  ~Memory() { place_ == kDevice ? cudaFree(memory_) : cudaFreeHost(memory_); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  T *get() const { return memory_; }
  void Upload(const std::vector<T> &values) {
    Check(cudaMemcpy(memory_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  std::vector<T> Download() const {
    std::vector<T> values(count_);
    Check(cudaMemcpy(values.data(), memory_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  Place place_;
  size_t count_;
  T *memory_ = nullptr;
};

/** Most of it is the device's. */
template <class T>
using Device = Memory<T>;

/* --- The stand-in itself ---------------------------------------------------------------------------------------- */

constexpr int kBlock = 96;

/** Reverses numbers within a block, adds up each warp's, and counts odd ones by a vote. */
__global__ void Exercise(const int *numbers, int *reversed, int *sums, int *odd) {
  __shared__ int shared[kBlock];
  const auto thread = static_cast<int>(threadIdx.x);
  const int at = static_cast<int>(blockIdx.x) * kBlock + thread;
  shared[thread] = numbers[at];
  __syncthreads();
  const int number = shared[kBlock - 1 - thread];
  reversed[at] = number;
  int sum = number;
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  const unsigned votes = __ballot_sync(~0u, number % 2 != 0);
  if (thread % 32 == 0) {
    sums[at / 32] = sum;
    atomicAdd(odd, __popc(votes));
  }
}

void BarriersShufflesVotesAndAtomicsWork() {
  for (const uint32_t order : {0u, 1u, 2u, 77u}) {
    emulation::SetOrder(order);
    std::vector<int> numbers(size_t{10} * kBlock);
    std::iota(numbers.begin(), numbers.end(), 0);
    const Device<int> input(numbers);
    const Device<int> reversed(numbers);
    const Device<int> sums(std::vector<int>(numbers.size() / 32));
    const Device<int> odd(std::vector<int>(1));
    Check(Launch(Exercise, dim3(10), dim3(kBlock), nullptr, input.get(), reversed.get(), sums.get(), odd.get()));
    Check(cudaDeviceSynchronize());
    const std::vector<int> result = reversed.Download();
    for (int i = 0; i < 10 * kBlock; ++i) CHECK(result[i] == i / kBlock * kBlock + kBlock - 1 - i % kBlock);
    CHECK(odd.Download()[0] == 5 * kBlock);
    CHECK(sums.Download()[0] == (64 + 95) * 16);
  }
  emulation::SetOrder(0);
}

__global__ void Double(int *numbers) { numbers[threadIdx.x] *= 2; }

void ACopyIsNotThereBeforeItWasWaitedFor() {
  const Stream stream;
  const Device<int> numbers(std::vector<int>{1, 2, 3});
  const Memory<int> host(Memory<int>::kHost, 3);
  host.get()[0] = 17;
  Check(Launch(Double, dim3(1), dim3(3), stream.get(), numbers.get()));
  Check(cudaMemcpyAsync(host.get(), numbers.get(), 12, cudaMemcpyDeviceToHost, stream.get()));
  CHECK(host.get()[0] != 17 && host.get()[0] != 2);
  stream.Synchronise();
  CHECK(host.get()[0] == 2 && host.get()[2] == 6);
}

void StreamsRunInTheOrderThatEventsAskFor() {
  const Stream first;
  const Stream second;
  cudaEvent_t event;
  Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  const Device<int> numbers(std::vector<int>{1, 2, 3});
  const Memory<int> host(Memory<int>::kHost, 3);
  Check(Launch(Double, dim3(1), dim3(3), first.get(), numbers.get()));
  // Without the event the copy comes first.
  Check(cudaMemcpyAsync(host.get(), numbers.get(), 12, cudaMemcpyDeviceToHost, second.get()));
  second.Synchronise();
  CHECK(host.get()[2] == 3);
  Check(cudaEventRecord(event, first.get()));
  Check(cudaStreamWaitEvent(second.get(), event, cudaEventWaitDefault));
  Check(cudaMemcpyAsync(host.get(), numbers.get(), 12, cudaMemcpyDeviceToHost, second.get()));
  second.Synchronise();
  CHECK(host.get()[2] == 6);
  Check(cudaEventDestroy(event));
}

void GraphsRunAsOftenAsTheyAreLaunched() {
  const Stream stream;
  const Device<int> numbers(std::vector<int>{1, 2, 3});
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  Check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
  Check(Launch(Double, dim3(1), dim3(3), stream.get(), numbers.get()));
  Check(Launch(Double, dim3(1), dim3(3), stream.get(), numbers.get()));
  Check(cudaStreamEndCapture(stream.get(), &graph));
  Check(cudaGraphInstantiate(&executable, graph, 0));
  Check(cudaGraphDestroy(graph));
  CHECK(numbers.Download()[0] == 1);
  for (int i = 0; i < 3; ++i) Check(cudaGraphLaunch(executable, stream.get()));
  stream.Synchronise();
  CHECK(numbers.Download()[0] == 64);
  Check(cudaGraphExecDestroy(executable));

  // What would wait for the device spoils a capture.
  Check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
  void *memory;
  CHECK(cudaMalloc(&memory, 1) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream.get(), &graph) == cudaErrorStreamCaptureInvalidated);
}

void FailuresComeWhereTheyAreAskedFor() {
  void *memory;
  emulation::FailCall(2, cudaErrorMemoryAllocation);
  Check(cudaMalloc(&memory, 8));
  void *more;
  CHECK(cudaMalloc(&more, 8) == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  Check(cudaDeviceSynchronize());
  // A lost device answers nothing more.
  emulation::FailCall(1, cudaErrorIllegalAddress);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK(cudaMalloc(&more, 8) == cudaErrorIllegalAddress);
  CHECK(cudaFree(memory) == cudaErrorIllegalAddress);
  emulation::Revive();
  Check(cudaDeviceSynchronize());
}

/* --- Preprocessing ---------------------------------------------------------------------------------------------- */

void OneGraphTakesFramesOfAnySize() {
  const Stream stream;
  PreprocessModel model{};
  model.width = 40;
  model.height = 33;
  for (float &std : model.std) std = 1;
  model.fill[1] = 9;
  model.half = false;
  const size_t values = size_t{3} * 40 * 33;
  for (const ed_resize resize : {ED_ANTIALIASED, ED_BILINEAR}) {
    model.resize = resize;
    const Device<PreprocessFrame> frames(std::vector<PreprocessFrame>(2));
    const Device<float> input(Device<float>::kDevice, 2 * values);
    const Device<uint8_t> workspace(Device<uint8_t>::kDevice, PreprocessWorkspace(model, 2));
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    Check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    Check(LaunchPreprocess(stream.get(), model, frames.get(), 2, input.get(), workspace.get()));
    Check(cudaStreamEndCapture(stream.get(), &graph));
    Check(cudaGraphInstantiate(&executable, graph, 0));
    Check(cudaGraphDestroy(graph));
    for (const auto &[width, height] : {std::pair(40u, 33u), std::pair(7u, 3u), std::pair(333u, 500u)}) {
      // One colour stays what it is, whatever the resize; beside it is the fill.
      const Device<uint8_t> grey(std::vector<uint8_t>(size_t{width} * height, 200));
      ed_frame frame{};
      frame.format = ED_GREY;
      frame.width = width;
      frame.height = height;
      frame.planes[0] = grey.get();
      frame.strides[0] = width;
      const Letterbox letterbox = FitLetterbox(width, height, 40, 33);
      Memory<PreprocessFrame> descriptions({PreprocessFrame{}, MakePreprocessFrame(frame, letterbox)});
      Check(cudaMemcpy(frames.get(), descriptions.Download().data(), 2 * sizeof(PreprocessFrame),
                       cudaMemcpyHostToDevice));
      Check(cudaGraphLaunch(executable, stream.get()));
      stream.Synchronise();
      const std::vector<float> result = input.Download();
      for (size_t i = 0; i < 2 * values; ++i) {
        const auto x = static_cast<int>(i % 40);
        const auto y = static_cast<int>(i / 40 % 33);
        const bool inside = i >= values && x < letterbox.width && y < letterbox.height;
        CHECK(result[i] == (inside ? 200 : i / (size_t{40} * 33) % 3 == 1 ? 9 : 0));
      }
    }
    Check(cudaGraphExecDestroy(executable));
  }
}

/* --- Detections ------------------------------------------------------------------------------------------------- */

/** Two levels of cells with two anchors each; an anchor more than are asked for where those are odd. */
DetectionsShape Shape(int32_t anchors, int32_t classes, int32_t candidates, int32_t detections,
                      HeadType type = kHeadFloat32) {
  const int32_t cells = (anchors + 1) / 2;
  return {2, {cells - cells / 4, cells / 4}, 2, classes, type, candidates, detections};
}

struct Question {
  DetectionsShape shape;
  int32_t batch;
  /** Few, so that blocks have more than one share. */
  int32_t multiprocessors;
  std::vector<float> regression, logits, anchors, thresholds, postprocess;
};

/** @param steps different logits from one whole number to the next: few, so that many are equal */
Question Ask(uint32_t seed, int32_t batch, const DetectionsShape &shape, float threshold, float steps = 16) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Question question{shape, batch, 1, {}, {}, {}, {}, {}};
  const auto anchors = static_cast<size_t>(shape.anchors());
  const auto classes = static_cast<size_t>(shape.classes);
  const auto frames = static_cast<size_t>(batch);
  question.regression.resize(frames * anchors * 4);
  for (float &value : question.regression) value = HeadNumberOf(shape.type, normal(random) / 2);
  question.logits.resize(frames * anchors * classes);
  for (float &value : question.logits) value = std::round(normal(random) * steps) / steps;
  for (size_t i = 0; i < anchors; ++i) {
    const auto cell = static_cast<float>(i);
    for (const float value : {8 * std::floor(cell / 16), 8 * std::fmod(cell, 16.0f), 24.0f, 24.0f}) {
      question.anchors.push_back(value);
    }
  }
  question.thresholds.assign(frames * classes, LogitThreshold(threshold));
  for (size_t i = 0; i < frames; ++i) {
    for (const float value : {0.5f, static_cast<float>(shape.detections), static_cast<float>(shape.candidates),
                              static_cast<float>(i % 2), 0.5f, 256.0f, 200.0f, 0.0f}) {
      question.postprocess.push_back(value);
    }
  }
  return question;
}

struct Answer {
  std::vector<int32_t> counts;
  std::vector<float> detections;

  bool operator==(const Answer &other) const { return counts == other.counts && detections == other.detections; }
};

Answer Run(const Question &question, const std::function<void(cudaStream_t, const std::function<void()> &)> &around) {
  const Stream stream;
  const auto frames = static_cast<size_t>(question.batch);
  const auto boxes = HeadBytes(question.shape, frames, 4, question.regression);
  const auto scores = HeadBytes(question.shape, frames, question.shape.classes, question.logits);
  const Device<uint8_t> box_levels[] = {Device<uint8_t>(boxes[0]), Device<uint8_t>(boxes[1])};
  const Device<uint8_t> score_levels[] = {Device<uint8_t>(scores[0]), Device<uint8_t>(scores[1])};
  const Device<float> anchors(question.anchors);
  const Device<float> thresholds(question.thresholds);
  const Device<float> postprocess(question.postprocess);
  const Device<float> rows(Device<float>::kDevice,
                           frames * static_cast<size_t>(question.shape.detections) * kDetectionFields);
  const Device<int32_t> counts(Device<int32_t>::kDevice, frames * kCountFields);
  const Device<uint8_t> workspace(Device<uint8_t>::kDevice, DetectionsWorkspace(question.batch, question.shape));
  around(stream.get(), [&] {
    Check(LaunchDetections(stream.get(), question.multiprocessors, question.batch, question.shape,
                           {{box_levels[0].get(), box_levels[1].get()},
                            {score_levels[0].get(), score_levels[1].get()},
                            anchors.get(),
                            thresholds.get(),
                            postprocess.get()},
                           {rows.get(), counts.get()}, workspace.get()));
  });
  stream.Synchronise();
  return {counts.Download(), rows.Download()};
}

Answer Run(const Question &question) {
  return Run(question, [](cudaStream_t, const std::function<void()> &launch) { launch(); });
}

/** The plain way: sort everything, then compare each with those that were kept. */
Answer Plainly(const Question &question) {
  const int32_t anchors = question.shape.anchors();
  const int32_t classes = question.shape.classes;
  const int32_t candidates = question.shape.candidates;
  const int32_t capacity = question.shape.detections;
  Answer answer;
  answer.detections.resize(static_cast<size_t>(question.batch) * static_cast<size_t>(capacity) * kDetectionFields);
  for (int32_t frame = 0; frame < question.batch; ++frame) {
    const float *logits = &question.logits[static_cast<size_t>(frame) * anchors * classes];
    const float *regression = &question.regression[static_cast<size_t>(frame) * anchors * 4];
    const bool agnostic = question.postprocess[static_cast<size_t>(frame) * kPostprocessFields + kAgnostic] != 0;
    std::vector<int32_t> order;
    for (int32_t i = 0; i < anchors * classes; ++i) {
      if (logits[i] > question.thresholds[static_cast<size_t>(i % classes)]) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    const bool capped = order.size() > static_cast<size_t>(candidates);
    if (capped) order.resize(static_cast<size_t>(candidates));
    struct Box {
      float side[4];
      int32_t class_id;
    };
    std::vector<Box> kept;
    bool full = false;
    int32_t written = 0;
    for (const int32_t i : order) {
      const float *t = regression + ptrdiff_t{4} * (i / classes);
      const float *anchor = &question.anchors[4 * static_cast<size_t>(i / classes)];
      const double y = t[0] * double{anchor[2]} + anchor[0];
      const double x = t[1] * double{anchor[3]} + anchor[1];
      const double h = std::exp(double{t[2]}) * anchor[2] / 2;
      const double w = std::exp(double{t[3]}) * anchor[3] / 2;
      const Box box{
          {static_cast<float>(x - w), static_cast<float>(y - h), static_cast<float>(x + w), static_cast<float>(y + h)},
          i % classes};
      const auto overlaps = [&](const Box &other) {
        if (!agnostic && other.class_id != box.class_id) return false;
        const auto &a = box.side;
        const auto &b = other.side;
        const double width = double{std::min(a[2], b[2])} - std::max(a[0], b[0]);
        const double height = double{std::min(a[3], b[3])} - std::max(a[1], b[1]);
        if (width <= 0 || height <= 0) return false;
        const auto area = [](const float *s) { return (double{s[2]} - s[0]) * (double{s[3]} - s[1]); };
        return width * height / (area(a) + area(b) - width * height) > 0.5;
      };
      if (std::any_of(kept.begin(), kept.end(), overlaps)) continue;
      if (kept.size() == static_cast<size_t>(capacity)) {
        full = true;
        break;
      }
      kept.push_back(box);
      float row[kDetectionFields];
      for (int side = 0; side < 4; ++side) {
        row[side] = std::min(std::max(box.side[side] / 0.5f, 0.0f), side % 2 == 0 ? 256.0f : 200.0f);
      }
      if (row[0] >= row[2] || row[1] >= row[3]) continue;
      row[4] = static_cast<float>(1 / (1 + std::exp(-double{logits[i]})));
      row[5] = static_cast<float>(box.class_id);
      std::copy_n(row, kDetectionFields,
                  &answer.detections[(static_cast<size_t>(frame) * static_cast<size_t>(capacity) +
                                      static_cast<size_t>(written++)) *
                                     kDetectionFields]);
    }
    for (const int32_t count : {written, int32_t{capped}, int32_t{full}, 0}) answer.counts.push_back(count);
  }
  return answer;
}

void DetectionsAreThoseOfThePlainWayInAnyOrder() {
  for (const Question &question : {
           Ask(3, 2, Shape(200, 5, 100, 20), 0.7f),
           Ask(3, 2, Shape(200, 5, 100, 20), 0.3f),
           Ask(3, 2, Shape(333, 90, 1000, 100), 0.3f),
           Ask(3, 2, Shape(333, 90, 1000, 100), 0),
           // Seven logits, with zeros of both signs, which more digits than the first must tell apart.
           Ask(4, 2, Shape(333, 30, 100, 100), 0.3f, 1),
           // More kept than the block that goes through them has threads.
           Ask(5, 1, Shape(1600, 2, 2000, 1500), 0.3f),
           Ask(6, 3, Shape(333, 30, 1000, 100, kHeadFloat16), 0.3f),
           Ask(7, 3, Shape(333, 30, 1000, 100, kHeadBfloat16), 0.3f),
           // More than are compared each with each at a time.
           Ask(8, 2, Shape(3000, 6, 20000, 2000, kHeadFloat16), 0.2f),
       }) {
    const Answer expected = Plainly(question);
    CHECK(expected.counts[kCount] > 0);
    for (const uint32_t order : {0u, 3u}) {
      emulation::SetOrder(order);
      CHECK(Run(question) == expected);
    }
  }
  emulation::SetOrder(0);
}

void DetectionsRunInAGraph() {
  const Question question = Ask(5, 2, Shape(200, 5, 100, 20), 0.3f);
  const Answer once = Run(question);
  const Answer thrice = Run(question, [](cudaStream_t stream, const std::function<void()> &launch) {
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    launch();
    Check(cudaStreamEndCapture(stream, &graph));
    Check(cudaGraphInstantiate(&executable, graph, 0));
    // What a run leaves in its workspace must not matter to the next.
    for (int i = 0; i < 3; ++i) Check(cudaGraphLaunch(executable, stream));
    Check(cudaStreamSynchronize(stream));
    Check(cudaGraphExecDestroy(executable));
    Check(cudaGraphDestroy(graph));
  });
  CHECK(once == thrice && once.counts[0] > 0);
}

void DetectionsOfSeveralThreadsDoNotMix() {
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([seed] {
      const Question question = Ask(seed, 1, Shape(150, 4, 64, 16), 0.5f);
      const Answer expected = Plainly(question);
      for (int i = 0; i < 3; ++i) CHECK(Run(question) == expected);
    });
  }
  for (std::thread &thread : threads) thread.join();
}

void WorkspaceForD7xIsBelow200Megabytes() {
  const DetectionsShape d7x{6, {36'864, 9216, 2304, 576, 144, 36}, 9, 90, kHeadFloat16, 5000, 300};
  CHECK(d7x.anchors() == 442'260);
  std::printf("Workspace of D7x at batch 1: %.2f MB\n", static_cast<double>(DetectionsWorkspace(1, d7x)) / 1e6);
  CHECK(DetectionsWorkspace(1, d7x) < 200'000'000);
}

void ThresholdsSeparateTheSameLogits() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform;
  for (int i = 0; i < 100'000; ++i) {
    const float score = uniform(random);
    const double exact = std::log(score / (1 - double{score}));
    const float threshold = LogitThreshold(score);
    CHECK(threshold <= exact && std::nextafter(threshold, INFINITY) > exact);
  }
  CHECK(LogitThreshold(0) == -INFINITY && LogitThreshold(1) == INFINITY && LogitThreshold(2) == INFINITY);
}

}  // namespace

int main() {
  BarriersShufflesVotesAndAtomicsWork();
  ACopyIsNotThereBeforeItWasWaitedFor();
  StreamsRunInTheOrderThatEventsAskFor();
  GraphsRunAsOftenAsTheyAreLaunched();
  FailuresComeWhereTheyAreAskedFor();
  OneGraphTakesFramesOfAnySize();
  DetectionsAreThoseOfThePlainWayInAnyOrder();
  DetectionsRunInAGraph();
  DetectionsOfSeveralThreadsDoNotMix();
  WorkspaceForD7xIsBelow200Megabytes();
  ThresholdsSeparateTheSameLogits();
  const emulation::Live live = emulation::CountLive();
  CHECK(live.device_allocations == 0 && live.host_allocations == 0 && live.streams == 0 && live.events == 0 &&
        live.graphs == 0 && live.executables == 0);
  std::puts("ok");
}
