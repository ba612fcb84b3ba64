#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "efficientdet_backend.h"
#include "staging.h"

/** One frame that waits for its detections. Bytes of the host stay there, whatever the caller does meanwhile. */
struct Job {
  uint64_t id = 0;
  ed_frame frame{};
  /** What the frame's planes point into: a copy, or memory that the caller shares; neither if it lies on the device. */
  Staging bytes;
  std::shared_ptr<const Staging> shared;
  ed_postprocess postprocess{};
  /** What `postprocess` points to. */
  std::vector<float> score_thresholds;
  std::chrono::steady_clock::time_point submitted;
};

/** What became of a job. */
struct Outcome {
  uint64_t id = 0;
  ed_status status = ED_OK;
  /** Empty if the status is ED_OK. */
  std::string message;
  std::vector<ed_detection> detections;
  bool candidates_capped = false;
  bool detections_capped = false;
  float queue_ms = 0;
  float preprocess_ms = 0;
  float network_ms = 0;
  float postprocess_ms = 0;
};
