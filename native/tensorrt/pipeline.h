#pragma once

#include <array>
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
 * A batch is filled up to its profile's size, so that all runs do the same; from the second on, one CUDA graph, which
 * starts in one call.
 */
class Pipeline {
 public:
  /**
   * On this thread's device. The engine must outlive it.
   * @param anchors in device memory: anchors×4
   * @throws Failure
   */
  Pipeline(nvinfer1::ICudaEngine &engine, const Network &network, const PreprocessModel &model, const float *anchors);
  /** Waits for what the device still does of it. */
  ~Pipeline();

  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  /** As the contract's `infer`. @throws Failure; whatever it throws, the device is done with the frames then. */
  void Run(const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results, int32_t count);

  /** Until the device has done all that it was asked to. Answers what then comes of it. */
  cudaError_t Wait() const;

  /** Memory that it holds on the device. */
  size_t device_bytes() const;

 private:
  /** What a profile's runs need. */
  struct Profile {
    int32_t batch_size;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
    GraphExecutable graph;
    int runs = 0;
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
  void Connect(const Profile &profile);
  void Send(const Profile &profile, const ed_frame *frames, const ed_postprocess *postprocess, int32_t count);
  void Enqueue(const Profile &profile, unsigned event_flags);
  void Capture(Profile &profile);
  void Receive(const Profile &profile, ed_result *results, int32_t count);

  const Network network_;
  const PreprocessModel model_;
  const float *const anchors_;
  /** Limits that the memory is made for. */
  DetectionsShape shape_;

  Stream stream_;
  /** Before all, before the network, after it, after all. */
  std::array<Event, 4> events_;
  PinnedMemory host_parameters_;
  DeviceMemory parameters_;
  DeviceMemory frames_;
  DeviceMemory images_;
  DeviceMemory box_regression_;
  DeviceMemory class_logits_;
  DeviceMemory workspace_;
  /** Counts, then detections, of the whole batch. */
  DeviceMemory answers_;
  PinnedMemory host_answers_;
  /** What the network's layers work in, for one profile at a time. */
  DeviceMemory activations_;
  family::Contexts execution_contexts_;
  /** Last: contexts and graphs use all of the above. */
  std::vector<Profile> profiles_;
};

}  // namespace efficientdet
