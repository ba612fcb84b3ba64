#include "pipeline.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "capture_lock.h"
#include "launch.h"
#include "log.h"
#include "ranges.h"

namespace efficientdet {

namespace {

/** What `detect` asks for, unless told. */
constexpr int32_t kUsualCandidates = 5000;
constexpr int32_t kUsualDetections = 100;

/** Device memory is handed out in multiples of it. */
constexpr size_t kAlignment = 256;

size_t Aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

struct Plane {
  size_t row_bytes;
  size_t rows;
};

/** The planes of a frame, of which there are one to three. */
std::vector<Plane> PlanesOf(const ed_frame &frame) {
  const size_t width = frame.width;
  const size_t height = frame.height;
  const size_t half_width = (width + 1) / 2;
  const size_t half_height = (height + 1) / 2;
  switch (frame.format) {
    case ED_RGB:
    case ED_BGR:
      return {{3 * width, height}};
    case ED_RGBA:
    case ED_BGRA:
      return {{4 * width, height}};
    case ED_GREY:
      return {{width, height}};
    case ED_NV12:
      return {{width, height}, {2 * half_width, half_height}};
    case ED_I420:
      return {{width, height}, {half_width, half_height}, {half_width, half_height}};
  }
  throw Failure{ED_INVALID, "A frame has the unknown format " + std::to_string(frame.format) + "."};
}

/** Bytes from a plane's begin to its end; its last row need not be padded. */
size_t SizeOf(const Plane &plane, uint32_t stride) { return (plane.rows - 1) * stride + plane.row_bytes; }

/** What a device does not have it cannot read: trying would cost it all its engines. */
void CheckDeviceMemory(const uint8_t *begin, size_t size) {
  int device = 0;
  Check(cudaGetDevice(&device), "Asking for the device");
  // Memory is asked about by the byte: a range that begins and ends in the right kind is taken for one.
  for (const uint8_t *byte : {begin, begin + size - 1}) {
    cudaPointerAttributes found{};
    Check(cudaPointerGetAttributes(&found, byte), "Asking where a frame is");
    if (found.type == cudaMemoryTypeUnregistered) {
      throw Failure{ED_INVALID, "A frame is not where it should be: its byte " + std::to_string(byte - begin) + " of " +
                                    std::to_string(size) + " is not in memory that CUDA knows."};
    }
    if (found.type == cudaMemoryTypeDevice && found.device != device) {
      throw Failure{ED_INVALID, "A frame is in the memory of device " + std::to_string(found.device) +
                                    ", and the engine runs on device " + std::to_string(device) + "."};
    }
  }
}

/** Checks what came of waiting for a frame. */
void CheckAwaited(cudaError_t error) {
  if (error == cudaSuccess || IsSticky(error)) return Check(error, "Waiting for a frame");
  Fail(ED_INVALID, "A frame waits for an event or stream that cannot be waited for on its device", error);
}

void CheckFrame(const ed_frame &frame) {
  constexpr uint32_t kLargest = 1u << 30;
  const std::string size = std::to_string(frame.width) + "×" + std::to_string(frame.height);
  if (frame.width == 0 || frame.height == 0 || frame.width > kLargest || frame.height > kLargest) {
    throw Failure{ED_INVALID, "A frame has " + size + " pixels; both sides must be 1 to 2³⁰."};
  }
  if (frame.matrix > ED_BT2020 || frame.range > ED_FULL) {
    throw Failure{ED_INVALID, "A frame has the unknown matrix " + std::to_string(frame.matrix) + " or range " +
                                  std::to_string(frame.range) + "."};
  }
  const std::vector<Plane> planes = PlanesOf(frame);
  for (size_t i = 0; i < planes.size(); i++) {
    if (frame.planes[i] == nullptr) throw Failure{ED_INVALID, "A frame lacks its plane " + std::to_string(i) + "."};
    if (frame.strides[i] < planes[i].row_bytes) {
      throw Failure{ED_INVALID, "A frame of " + size + " pixels has rows of " + std::to_string(frame.strides[i]) +
                                    " bytes in plane " + std::to_string(i) + "; they must be of " +
                                    std::to_string(planes[i].row_bytes) + " or more."};
    }
    if (frame.memory == ED_DEVICE) CheckDeviceMemory(frame.planes[i], SizeOf(planes[i], frame.strides[i]));
  }
  const bool is_known = frame.readiness <= (frame.memory == ED_DEVICE ? ED_AFTER_STREAM : ED_READY);
  if (!is_known || (frame.readiness == ED_AFTER_EVENT && frame.awaited == nullptr)) {
    throw Failure{ED_INVALID, "A frame has the unknown readiness " + std::to_string(frame.readiness) + "."};
  }
}

/** Turns a frame in pinned memory into one that the device reads by itself. Others stay what they are. */
void ReadInPlace(ed_frame &frame) {
  if (frame.memory != ED_HOST) return;
  ed_frame mapped = frame;
  mapped.memory = ED_DEVICE;
  const std::vector<Plane> planes = PlanesOf(frame);
  for (size_t i = 0; i < planes.size(); i++) {
    const size_t size = SizeOf(planes[i], frame.strides[i]);
    cudaPointerAttributes first{};
    cudaPointerAttributes last{};
    Check(cudaPointerGetAttributes(&first, frame.planes[i]), "Asking where a frame is");
    Check(cudaPointerGetAttributes(&last, frame.planes[i] + size - 1), "Asking where a frame is");
    const bool is_pinned = first.type == cudaMemoryTypeHost && last.type == cudaMemoryTypeHost;
    if (!is_pinned || first.devicePointer == nullptr) return;
    mapped.planes[i] = static_cast<const uint8_t *>(first.devicePointer);
  }
  frame = mapped;
}

/** Whether this thread's device shares the host's memory. */
bool IsIntegrated() {
  int device = 0;
  int integrated = 0;
  Check(cudaGetDevice(&device), "Asking for the device");
  Check(cudaDeviceGetAttribute(&integrated, cudaDevAttrIntegrated, device), "Asking what the device is");
  return integrated != 0;
}

}  // namespace

Pipeline::Pipeline(uint32_t device, nvinfer1::ICudaEngine &engine, family::Contexts &contexts, const Network &network,
                   const PreprocessModel &model, const float *anchors)
    : device_(device),
      network_(network),
      model_(model),
      anchors_(anchors),
      shape_(network.heads),
      integrated_(IsIntegrated()) {
  const LogListener log;
  const DeviceWork work(device);
  Check(CountMultiprocessors(&multiprocessors_), "Asking for the device's multiprocessors");
  Check(cudaStreamCreateWithFlags(stream_.Place(), cudaStreamNonBlocking), "Making a stream");
  for (Event &event : events_) Check(cudaEventCreateWithFlags(event.Place(), cudaEventDefault), "Making an event");
  Check(cudaEventCreateWithFlags(awaited_.Place(), cudaEventDisableTiming), "Making an event");
  const unsigned sleeping = cudaEventBlockingSync | cudaEventDisableTiming;
  Check(cudaEventCreateWithFlags(answered_.Place(), sleeping), "Making an event");

  const auto batch = static_cast<size_t>(network.max_batch_size());
  const Parameters end = ParametersIn(nullptr);
  const size_t parameter_bytes = reinterpret_cast<size_t>(end.postprocess) + batch * kPostprocessFields * sizeof(float);
  host_parameters_.Reserve(parameter_bytes, "Allocating pinned memory for parameters");
  parameters_.Reserve(parameter_bytes, "Allocating device memory for parameters");
  const size_t pixels = static_cast<size_t>(network.input_height) * static_cast<size_t>(network.input_width);
  images_.Reserve(batch * 3 * pixels * (network.half ? 2 : 4), "Allocating device memory for the network's input");
  lines_.Reserve(PreprocessWorkspace(model, network.max_batch_size()), "Allocating device memory for preprocessing");
  for (int32_t level = 0; level < network.heads.levels; level++) {
    const char *what = "Allocating device memory for the network's outputs";
    const size_t rows = batch * static_cast<size_t>(network.heads.cells[level] * BytesOf(network.heads.type));
    box_regression_[level].Reserve(rows * static_cast<size_t>(network.heads.box_channels()), what);
    class_logits_[level].Reserve(rows * static_cast<size_t>(network.heads.logit_channels()), what);
  }
  const auto activation_bytes = static_cast<size_t>(std::max<int64_t>(engine.getDeviceMemorySizeV2(), 1));
  activations_.Reserve(activation_bytes, "Allocating device memory for the network's layers");

  for (const Network::Profile &profile : network.profiles) {
    Profile made;
    made.batch_size = profile.batch_size;
    made.context.reset(contexts.Make());
    if (made.context == nullptr) throw log.FailureOf(ED_FAILED, "The engine makes no execution context");
    made.context->setDeviceMemoryV2(activations_.get(), static_cast<int64_t>(activations_.size()));
    if (!made.context->setOptimizationProfileAsync(profile.index, stream_.get())) {
      throw log.FailureOf(ED_FAILED, "The engine does not take its optimisation profile");
    }
    profiles_.push_back(std::move(made));
  }
  Check(cudaStreamSynchronize(stream_.get()), "Making the engine ready");
  NoteState();
}

Pipeline::~Pipeline() { Wait(); }

void Pipeline::Prepare(const int32_t *cancel) {
  DetectionsShape shape = shape_;
  shape.candidates = kUsualCandidates;
  shape.detections = network_.has_plugin ? network_.capacity : kUsualDetections;
  Resize(shape);
  for (Profile &profile : profiles_) {
    for (int run = 0; run < 2; run++) {
      if (cancel != nullptr && __atomic_load_n(cancel, __ATOMIC_RELAXED) != 0) {
        throw Failure{ED_CANCELLED, "The load was cancelled."};
      }
      Run(profile, nullptr, nullptr, nullptr, 0);
    }
  }
}

cudaError_t Pipeline::Wait() const {
  const cudaError_t error = cudaStreamSynchronize(stream_.get());
  if (error != cudaSuccess) cudaGetLastError();
  return error;
}

Pipeline::Parameters Pipeline::ParametersIn(void *memory) const {
  const auto batch = static_cast<size_t>(network_.max_batch_size());
  const auto begin = reinterpret_cast<size_t>(memory);
  const size_t thresholds = begin + Aligned(batch * sizeof(PreprocessFrame));
  const size_t postprocess = thresholds + Aligned(batch * static_cast<size_t>(network_.classes) * sizeof(float));
  return {static_cast<PreprocessFrame *>(memory), reinterpret_cast<float *>(thresholds),
          reinterpret_cast<float *>(postprocess), static_cast<size_t>(network_.classes)};
}

float *Pipeline::DetectionsIn(const Profile &profile) const {
  return answers_.get<float>() + static_cast<size_t>(profile.batch_size) * kCountFields;
}

void Pipeline::Run(const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results, int32_t count) {
  if (count < 1 || count > network_.max_batch_size()) {
    throw Failure{ED_INVALID, "A batch has " + std::to_string(count) + " frames; the engine takes 1 to " +
                                  std::to_string(network_.max_batch_size()) + "."};
  }
  for (int32_t i = 0; i < count; i++) CheckFrame(frames[i]);
  std::vector<ed_frame> there(frames, frames + count);
  if (integrated_) std::for_each(there.begin(), there.end(), ReadInPlace);
  const auto profile =
      std::find_if(profiles_.begin(), profiles_.end(), [=](const Profile &p) { return p.batch_size >= count; });
  Reserve(postprocess, results, count);
  Run(*profile, there.data(), postprocess, results, count);
}

/** Runs a batch of so many frames, which may be none. */
void Pipeline::Run(Profile &profile, const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results,
                   int32_t count) {
  try {
    Await(frames, count);
    Check(cudaEventRecord(events_[0].get(), stream_.get()), "Starting the batch");
    Send(profile, frames, postprocess, count);
    if (profile.runs == 0) {
      // It brings what the network needs but once, which a graph must not do again.
      const DeviceWork work(device_);
      Connect(profile);
      Enqueue(profile, cudaEventRecordDefault);
    } else {
      if (profile.graph.get() == nullptr && profile.runs >= profile.runs_before_capture) Capture(profile);
      if (profile.graph.get() != nullptr) {
        const Range range("graph");
        Check(cudaGraphLaunch(profile.graph.get(), stream_.get()), "Starting the batch's graph");
      } else {
        Enqueue(profile, cudaEventRecordDefault);
      }
    }
    profile.runs++;
    NoteState();
    Receive(profile, results, count);
  } catch (...) {
    // The device may still read the caller's frames.
    Wait();
    throw;
  }
}

/** Has the stream wait until frames on the device are there. */
void Pipeline::Await(const ed_frame *frames, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    auto event = static_cast<cudaEvent_t>(frames[i].awaited);
    if (frames[i].readiness == ED_READY) continue;
    if (frames[i].readiness == ED_AFTER_STREAM) {
      event = awaited_.get();
      CheckAwaited(cudaEventRecord(event, static_cast<cudaStream_t>(frames[i].awaited)));
    }
    CheckAwaited(cudaStreamWaitEvent(stream_.get(), event, cudaEventWaitDefault));
  }
}

/** Makes room for what the batch may find; graphs that know the old place are made anew. */
void Pipeline::Reserve(const ed_postprocess *postprocess, const ed_result *results, int32_t count) {
  DetectionsShape shape = shape_;
  shape.candidates = std::max(shape.candidates, 1);
  shape.detections = std::max(shape.detections, network_.has_plugin ? network_.capacity : 1);
  for (int32_t i = 0; i < count; i++) {
    shape.candidates = std::max(shape.candidates,
                                static_cast<int32_t>(std::min<uint32_t>(postprocess[i].pre_nms_top_k, kMaxCandidates)));
    // No more boxes leave suppression than enter it.
    const auto wanted = static_cast<int32_t>(std::min<uint32_t>(results[i].capacity, kMaxCandidates));
    if (!network_.has_plugin) shape.detections = std::max(shape.detections, wanted);
  }
  Resize(shape);
}

void Pipeline::Resize(const DetectionsShape &shape) {
  if (shape.candidates == shape_.candidates && shape.detections == shape_.detections) return;
  const DeviceWork work(device_);
  for (Profile &profile : profiles_) {
    profile.graph.Reset();
    profile.runs = 0;
    profile.runs_before_capture = 1;
  }
  // Until there is room for all, there is none.
  shape_.candidates = shape_.detections = 0;
  const auto batch = static_cast<size_t>(network_.max_batch_size());
  const size_t answer_bytes = batch * (kCountFields * sizeof(int32_t) +
                                       static_cast<size_t>(shape.detections) * kDetectionFields * sizeof(float));
  answers_.Reserve(answer_bytes, "Allocating device memory for detections");
  host_answers_.Reserve(answer_bytes, "Allocating pinned memory for detections");
  if (!network_.has_plugin) {
    workspace_.Reserve(DetectionsWorkspace(network_.max_batch_size(), shape),
                       "Allocating device memory for suppression");
  }
  shape_ = shape;
  NoteState();
}

/** Copies the batch's frames and parameters to the device, and fills it up to the profile's size. */
void Pipeline::Send(const Profile &profile, const ed_frame *frames, const ed_postprocess *postprocess, int32_t count) {
  const Range range("copy frames");
  size_t bytes = 0;
  for (int32_t i = 0; i < count; i++) {
    if (frames[i].memory == ED_DEVICE) continue;
    const std::vector<Plane> planes = PlanesOf(frames[i]);
    for (size_t p = 0; p < planes.size(); p++) bytes += Aligned(SizeOf(planes[p], frames[i].strides[p]));
  }
  if (bytes > frames_.size()) {
    const DeviceWork work(device_);
    frames_.Reserve(bytes, "Allocating device memory for frames");
  }

  const Parameters host = ParametersIn(host_parameters_.get());
  auto *to = frames_.get<uint8_t>();
  for (int32_t i = 0; i < count; i++) {
    ed_frame frame = frames[i];
    if (frame.memory == ED_HOST) {
      const std::vector<Plane> planes = PlanesOf(frame);
      for (size_t p = 0; p < planes.size(); p++) {
        const size_t size = SizeOf(planes[p], frame.strides[p]);
        Check(cudaMemcpyAsync(to, frame.planes[p], size, cudaMemcpyHostToDevice, stream_.get()), "Copying a frame");
        frame.planes[p] = to;
        to += Aligned(size);
      }
    }
    const Letterbox letterbox = FitLetterbox(frame.width, frame.height, static_cast<uint32_t>(model_.width),
                                             static_cast<uint32_t>(model_.height));
    host.frames[i] = MakePreprocessFrame(frame, letterbox);

    const ed_postprocess &wanted = postprocess[i];
    std::transform(wanted.score_thresholds, wanted.score_thresholds + network_.classes, host.ThresholdsOf(i),
                   LogitThreshold);
    float *row = host.PostprocessOf(i);
    row[kIouThreshold] = wanted.iou_threshold;
    row[kMaxDetections] = static_cast<float>(wanted.max_detections);
    row[kPreNmsTopK] = static_cast<float>(wanted.pre_nms_top_k);
    row[kAgnostic] = wanted.agnostic != 0 ? 1.0f : 0.0f;
    row[kScale] = static_cast<float>(letterbox.scale);
    row[kSourceWidth] = static_cast<float>(frame.width);
    row[kSourceHeight] = static_cast<float>(frame.height);
    row[kScaleRemainder] = static_cast<float>(letterbox.scale - static_cast<double>(row[kScale]));
  }
  // Frames that are none, in which nothing is found.
  for (int32_t i = count; i < profile.batch_size; i++) {
    host.frames[i] = {};
    std::fill_n(host.ThresholdsOf(i), network_.classes, std::numeric_limits<float>::infinity());
    const float none[kPostprocessFields] = {0.5f, 1, 1, 0, 1, 1, 1, 0};
    std::copy_n(none, kPostprocessFields, host.PostprocessOf(i));
  }
  Check(cudaMemcpyAsync(parameters_.get(), host_parameters_.get(), parameters_.size(), cudaMemcpyHostToDevice,
                        stream_.get()),
        "Copying a batch's parameters");
}

/** Tells the context where its tensors are. */
void Pipeline::Connect(const Profile &profile) {
  const Parameters device = ParametersIn(parameters_.get());
  int32_t *counts = answers_.get<int32_t>();
  struct Tensor {
    std::string name;
    void *memory;
    bool is_input;
  };
  std::vector<Tensor> tensors{{tensor::kImages, images_.get(), true}};
  if (network_.has_plugin) {
    tensors.push_back({tensor::kClassThresholds, device.class_thresholds, true});
    tensors.push_back({tensor::kPostprocess, device.postprocess, true});
    tensors.push_back({tensor::kCounts, counts, false});
    tensors.push_back({tensor::kDetections, DetectionsIn(profile), false});
  }
  for (int32_t level = 0; level < network_.heads.levels; level++) {
    tensors.push_back({tensor::LevelOf(tensor::kBoxRegression, level), box_regression_[level].get(), false});
    tensors.push_back({tensor::LevelOf(tensor::kClassLogits, level), class_logits_[level].get(), false});
  }
  for (const Tensor &tensor : tensors) {
    const char *name = tensor.name.c_str();
    bool taken = profile.context->setTensorAddress(name, tensor.memory);
    if (taken && tensor.is_input) {
      nvinfer1::Dims shape = profile.context->getEngine().getTensorShape(name);
      shape.d[0] = profile.batch_size;
      taken = profile.context->setInputShape(name, shape);
    }
    if (!taken) throw Failure{ED_FAILED, "The engine does not take its tensor " + tensor.name + "."};
  }
}

/** Everything between the copies, in the stream. */
void Pipeline::Enqueue(const Profile &profile, unsigned event_flags) {
  const LogListener log;
  const Parameters device = ParametersIn(parameters_.get());
  {
    const Range range("preprocess");
    Check(LaunchPreprocess(stream_.get(), model_, device.frames, profile.batch_size, images_.get(), lines_.get()),
          "Starting the preprocessing");
  }
  Check(cudaEventRecordWithFlags(events_[1].get(), stream_.get(), event_flags), "Starting the batch");
  {
    const Range range("network");
    if (!profile.context->enqueueV3(stream_.get())) throw log.FailureOf(ED_FAILED, "The engine does not run");
  }
  Check(cudaEventRecordWithFlags(events_[2].get(), stream_.get(), event_flags), "Starting the batch");
  if (network_.has_plugin) return;
  const Range range("postprocess");
  DetectionsInputs inputs{};
  for (int32_t level = 0; level < network_.heads.levels; level++) {
    inputs.box_regression[level] = box_regression_[level].get();
    inputs.class_logits[level] = class_logits_[level].get();
  }
  inputs.anchors = anchors_;
  inputs.class_thresholds = device.class_thresholds;
  inputs.postprocess = device.postprocess;
  const DetectionsOutputs outputs{DetectionsIn(profile), answers_.get<int32_t>()};
  Check(
      LaunchDetections(stream_.get(), multiprocessors_, profile.batch_size, shape_, inputs, outputs, workspace_.get()),
      "Starting the suppression");
}

/**
 * Makes a graph of a profile's runs, unless others wait for the device meanwhile: then the next run tries again.
 *
 * One that fails, by what other libraries do or for layers that cannot be part of one, is tried again when there were
 * twice as many runs.
 */
void Pipeline::Capture(Profile &profile) {
  const CaptureTurn turn(device_);
  if (!turn.owns_lock()) return;
  profile.runs_before_capture = 2 * profile.runs;
  Graph graph;
  if (cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
    cudaGetLastError();
    return;
  }
  bool captured = true;
  try {
    Enqueue(profile, cudaEventRecordExternal);
  } catch (...) {
    // Whatever it is, the capture has to end. The run that follows meets it, too, if it is of more than that.
    captured = false;
  }
  if (cudaStreamEndCapture(stream_.get(), graph.Place()) != cudaSuccess || !captured ||
      cudaGraphInstantiate(profile.graph.Place(), graph.get(), 0) != cudaSuccess) {
    cudaGetLastError();
    profile.graph.Reset();
  }
}

void Pipeline::Receive(const Profile &profile, ed_result *results, int32_t count) {
  const auto batch = static_cast<size_t>(profile.batch_size);
  const size_t row = static_cast<size_t>(shape_.detections) * kDetectionFields;
  const size_t bytes = batch * kCountFields * sizeof(int32_t) + static_cast<size_t>(count) * row * sizeof(float);
  const Range range("wait");
  Check(cudaEventRecord(events_[3].get(), stream_.get()), "Ending the batch");
  Check(cudaMemcpyAsync(host_answers_.get(), answers_.get(), bytes, cudaMemcpyDeviceToHost, stream_.get()),
        "Copying detections");
  Check(cudaEventRecord(answered_.get(), stream_.get()), "Ending the batch");
  Check(cudaEventSynchronize(answered_.get()), "Running the batch");

  float milliseconds[3];
  for (size_t i = 0; i < 3; i++) {
    Check(cudaEventElapsedTime(&milliseconds[i], events_[i].get(), events_[i + 1].get()), "Timing the batch");
  }
  const auto *counts = host_answers_.get<int32_t>();
  const auto *detections = reinterpret_cast<const float *>(counts + batch * kCountFields);
  for (int32_t i = 0; i < count; i++, counts += kCountFields, detections += row) {
    ed_result &result = results[i];
    const auto found = static_cast<uint32_t>(std::clamp(counts[kCount], 0, shape_.detections));
    result.count = std::min(found, result.capacity);
    for (uint32_t d = 0; d < result.count; d++) {
      const float *from = detections + size_t{d} * kDetectionFields;
      result.detections[d] = {from[0], from[1], from[2], from[3], from[4], static_cast<uint32_t>(from[5])};
    }
    result.candidates_capped = counts[kCandidatesCapped];
    result.detections_capped = counts[kDetectionsCapped] != 0 || found > result.count;
    result.not_finite = counts[kNotFinite];
    result.preprocess_ms = milliseconds[0];
    result.network_ms = milliseconds[1];
    result.postprocess_ms = milliseconds[2];
  }
}

/** Notes what other threads may ask for. */
void Pipeline::NoteState() {
  size_t bytes = 0;
  for (const DeviceMemory *memory :
       {&parameters_, &frames_, &lines_, &images_, &workspace_, &answers_, &activations_}) {
    bytes += memory->size();
  }
  for (const auto *levels : {&box_regression_, &class_logits_}) {
    for (const DeviceMemory &memory : *levels) bytes += memory.size();
  }
  device_bytes_ = bytes;
  uint32_t graphs = 0;
  for (size_t i = 0; i < profiles_.size() && i < ED_MAX_PROFILES; i++) {
    if (profiles_[i].graph.get() != nullptr) graphs |= 1u << i;
  }
  graphs_ = graphs;
}

}  // namespace efficientdet
