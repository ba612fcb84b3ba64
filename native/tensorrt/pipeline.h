#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "cuda_objects.h"
#include "detections.h"
#include "efficientdet_backend.h"
#include "family.h"
#include "network.h"
#include "preprocess.h"

namespace efficientdet {

/**
 * Detects in one batch at a time: frames → network's input → network → detections, in a stream and memory of its own.
 *
 * A batch is filled up to its profile's size, so that all runs do the same; from the second on, unless its capture is
 * hindered, one CUDA graph.
 */
class Pipeline {
 public:
  /**
   * On this thread's device, which is the one of that number. Engine and contexts must outlive it.
   * @param anchors in device memory: anchors×4
   * @throws Failure
   */
  Pipeline(uint32_t device, nvinfer1::ICudaEngine &engine, family::Contexts &contexts, const Network &network,
           const PreprocessModel &model, const float *anchors);
  /** Waits for what the device still does of it. */
  ~Pipeline();

  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  /**
   * Runs every profile with an empty batch, twice, so that what first runs take is taken now, and makes its graph.
   * @param cancel as in the contract; may be null
   * @throws Failure ED_CANCELLED
   */
  void Prepare(const int32_t *cancel);

  /** As the contract's `infer`. @throws Failure; whatever it throws, the device is done with the frames then. */
  void Run(const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results, int32_t count);

  /** Until the device has done all that it was asked to. Answers what then comes of it. */
  cudaError_t Wait() const;

  /** Memory that it holds on the device. Any thread may ask. */
  size_t device_bytes() const { return device_bytes_; }
  /** Whether a profile, by its place among the first ED_MAX_PROFILES, runs as a graph now. Any thread may ask. */
  bool HasGraph(size_t profile) const { return (graphs_ >> profile & 1) != 0; }

 private:
  /** What a profile's runs need. */
  struct Profile {
    int32_t batch_size;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
    GraphExecutable graph;
    uint64_t runs = 0;
    /** How many runs there must have been before the next try to make the graph. */
    uint64_t runs_before_capture = 1;
  };

  /** What the host tells the device of a batch, in one piece of memory on either side. */
  struct Parameters {
    PreprocessFrame *frames;
    float *class_thresholds;
    float *postprocess;
    size_t classes;

    /** Those of one frame. */
    float *ThresholdsOf(int32_t frame) const { return class_thresholds + static_cast<size_t>(frame) * classes; }
    float *PostprocessOf(int32_t frame) const { return postprocess + static_cast<size_t>(frame) * kPostprocessFields; }
  };

  Parameters ParametersIn(void *memory) const;
  /** Where a profile's runs leave detections: after the counts of its batch. */
  float *DetectionsIn(const Profile &profile) const;
  void Reserve(const ed_postprocess *postprocess, const ed_result *results, int32_t count);
  void Resize(const DetectionsShape &shape);
  void Run(Profile &profile, const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results,
           int32_t count);
  void Await(const ed_frame *frames, int32_t count);
  void NoteState();
  void Connect(const Profile &profile);
  void Send(const Profile &profile, const ed_frame *frames, const ed_postprocess *postprocess, int32_t count);
  void Enqueue(const Profile &profile, unsigned event_flags);
  void Capture(Profile &profile);
  void Receive(const Profile &profile, ed_result *results, int32_t count);

  const uint32_t device_;
  const Network network_;
  const PreprocessModel model_;
  const float *const anchors_;
  int multiprocessors_ = 0;
  /** Limits that the memory is made for. */
  DetectionsShape shape_;
  /** Whether the device reads pinned memory where it is. */
  const bool integrated_;

  Stream stream_;
  /** Before all, before the network, after it, after all. */
  std::array<Event, 4> events_;
  /** After what a frame's own stream had in it. */
  Event awaited_;
  /** When answers are on the host. A thread sleeps until it, where one that waits for a stream keeps a core busy. */
  Event answered_;
  PinnedMemory host_parameters_;
  DeviceMemory parameters_;
  DeviceMemory frames_;
  /** What preprocessing works in. */
  DeviceMemory lines_;
  DeviceMemory images_;
  /** Each level of the heads. */
  std::array<DeviceMemory, kMaxLevels> box_regression_;
  std::array<DeviceMemory, kMaxLevels> class_logits_;
  DeviceMemory workspace_;
  /** Counts, then detections, of the whole batch. */
  DeviceMemory answers_;
  PinnedMemory host_answers_;
  /** What the network's layers work in, for one profile at a time. */
  DeviceMemory activations_;
  /** Last: contexts and graphs use all of the above. */
  std::vector<Profile> profiles_;
  std::atomic<size_t> device_bytes_{0};
  /** A bit for each of the first ED_MAX_PROFILES profiles. */
  std::atomic<uint32_t> graphs_{0};
};

}  // namespace efficientdet
