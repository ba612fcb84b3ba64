#include "engine.h"

#include <algorithm>
#include <string>

#include "devices.h"
#include "library.h"
#include "ranges.h"

namespace efficientdet {

namespace {

PreprocessModel PreprocessOf(const ed_model &model, const Network &network) {
  PreprocessModel result{};
  result.width = network.input_width;
  result.height = network.input_height;
  std::copy_n(model.mean, 3, result.mean);
  std::copy_n(model.std, 3, result.std);
  std::copy_n(model.fill, 3, result.fill);
  result.resize = model.resize;
  result.half = network.half;
  return result;
}

/**
 * Throws that the device is lost, where TensorRT has told of it in words of its own.
 *
 * The stream is asked, and not the whole device: that would spoil what other threads capture.
 */
void TellLoss(const Failure &failure, Pipeline &pipeline) {
  if (failure.status == ED_DEVICE_LOST || !IsSticky(pipeline.Wait())) return;
  throw Failure{ED_DEVICE_LOST, kDeviceLost + ("\n" + failure.message)};
}

}  // namespace

Engine::Engine(const uint8_t *plan, size_t size, const ed_model &model, const ed_load_options &options)
    : device_(options.device),
      plan_bytes_(size),
      deserialised_(Deserialise(plan, size, options.device, options.allow_host_code != 0)),
      description_(std::string(DescribeDevice(static_cast<int>(device_), true).name) + ", " + family::kProduct + " (" +
                   VersionText(Library::Attached().version()) + ")"),
      network_(DescribeNetwork(*deserialised_.engine, model)),
      contexts_(*deserialised_.engine, options.kernels, options.kernels_size) {
  if (options.contexts == 0) throw Failure{ED_INVALID, "An engine with 0 contexts cannot run; it needs 1 or more."};
  const size_t anchor_bytes = static_cast<size_t>(network_.anchors) * 4 * sizeof(float);
  anchors_.Reserve(anchor_bytes, "Allocating device memory for anchors");
  Check(cudaMemcpy(anchors_.get(), model.anchors, anchor_bytes, cudaMemcpyHostToDevice), "Copying anchors");
  for (uint32_t context = 0; context < options.contexts; context++) {
    std::unique_ptr<Pipeline> pipeline;
    try {
      pipeline = std::make_unique<Pipeline>(device_, *deserialised_.engine, contexts_, network_,
                                            PreprocessOf(model, network_), anchors_.get<float>());
      pipeline->Prepare(options.cancel);
    } catch (const Failure &failure) {
      if (pipeline != nullptr) TellLoss(failure, *pipeline);
      // The device may have room for fewer contexts than are asked for, which is told by `Info`.
      if (failure.status != ED_OUT_OF_MEMORY || context == 0) throw;
      break;
    }
    pipelines_.push_back(std::move(pipeline));
  }
}

Engine::~Engine() {
  // Whoever destroys it may have worked on another device; a lost one has nothing to free.
  cudaSetDevice(static_cast<int>(device_));
  destruction_.emplace(device_);
}

ed_engine_info Engine::Info() const {
  ed_engine_info info{};
  info.max_batch_size = static_cast<uint32_t>(network_.max_batch_size());
  info.contexts = static_cast<uint32_t>(pipelines_.size());
  description_.copy(info.description, sizeof info.description - 1);
  // The plan is weights, nearly all of it, and they lie on the device as they lie there.
  info.device_bytes = plan_bytes_ + anchors_.size();
  for (const auto &pipeline : pipelines_) info.device_bytes += pipeline->device_bytes();
  for (size_t i = 0; i < network_.profiles.size() && i < ED_MAX_PROFILES; i++) {
    info.profile_batch_sizes[i] = static_cast<uint32_t>(network_.profiles[i].batch_size);
    for (const auto &pipeline : pipelines_) info.profile_graphs[i] += pipeline->HasGraph(i) ? 1 : 0;
    info.profile_count++;
  }
  return info;
}

void Engine::Infer(uint32_t context, const ed_frame *frames, const ed_postprocess *postprocess, ed_result *results,
                   uint32_t count) {
  if (lost_) throw Failure{ED_DEVICE_LOST, kDeviceLost};
  if (context >= pipelines_.size()) {
    throw Failure{ED_INVALID, "There is no context " + std::to_string(context) + ": the engine has " +
                                  std::to_string(pipelines_.size()) + "."};
  }
  const Range range(context, count);
  try {
    Check(cudaSetDevice(static_cast<int>(device_)), "Choosing the device");
    pipelines_[context]->Run(frames, postprocess, results, static_cast<int32_t>(std::min<uint32_t>(count, INT32_MAX)));
  } catch (const Failure &failure) {
    lost_ = failure.status == ED_DEVICE_LOST || IsSticky(pipelines_[context]->Wait());
    TellLoss(failure, *pipelines_[context]);
    throw;
  }
}

}  // namespace efficientdet
