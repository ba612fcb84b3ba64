/*
 * The whole backend on the CPU, from frames to detections: its own source over the stand-ins for CUDA
 * (native/emulation) and for TensorRT (stand_in/stand_in.cc, which tells what its network finds):
 *
 *   pipeline_tests BACKEND FOLDER [TEST]
 *
 * BACKEND is the backend's library; FOLDER holds the stand-in under TensorRT's name; TEST is the only one to run.
 */
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "capture_lock.h"
#include "emulation.h"
#include "testing.h"

namespace {

const ed_backend *backend;
std::string folder;
std::string library_path;

#if defined(__SANITIZE_THREAD__)
constexpr bool kSanitizesThreads = true;
#else
constexpr bool kSanitizesThreads = false;
#endif

constexpr uint32_t kHeight = 8;
constexpr uint32_t kWidth = 256;
constexpr uint32_t kAnchors = 32;
constexpr uint32_t kClasses = 90;
/** A probe's bits of the first two devices. */
constexpr uint32_t kBoth = 3;

/** Squares of 8 pixels, one beside the other, as the stand-in's plugin has them. */
const std::vector<float> &Anchors() {
  static const std::vector<float> anchors = [] {
    std::vector<float> made;
    for (uint32_t i = 0; i < kAnchors; i++) made.insert(made.end(), {4, static_cast<float>(8 * i + 4), 8, 8});
    return made;
  }();
  return anchors;
}

ed_model Model() {
  ed_model model{};
  model.input_height = kHeight;
  model.input_width = kWidth;
  model.classes = kClasses;
  model.anchor_count = kAnchors;
  model.anchors = Anchors().data();
  for (int i = 0; i < 3; i++) {
    model.mean[i] = 0;
    model.std[i] = 1;
    model.fill[i] = 0;
  }
  model.resize = ED_BILINEAR;
  return model;
}

/** @param types of images and heads */
std::string Plan(const std::string &types, int capacity, const std::string &batches = "1 2 4 8") {
  return "stand-in 8 256 32 90 " + types + " " + std::to_string(capacity) + " " + batches;
}
/** All in float32. */
std::string Plan(int capacity, const std::string &batches = "1 2 4 8") { return Plan("0 0", capacity, batches); }

Answer Load(const std::string &plan, ed_engine **engine, uint32_t contexts = 1, const ed_model &model = Model(),
            uint32_t device = 0) {
  ed_load_options options{};
  options.device = device;
  options.contexts = contexts;
  return Call(backend->load, reinterpret_cast<const uint8_t *>(plan.data()), plan.size(), &model, &options, engine);
}

ed_engine *Loaded(const std::string &plan, uint32_t contexts = 1, uint32_t device = 0) {
  ed_engine *engine = nullptr;
  CHECK_ANSWER(Load(plan, &engine, contexts, Model(), device), ED_OK, "");
  return engine;
}

/** A frame of one colour, with what the stand-in's network finds in it. */
struct Image {
  ed_frame frame{};
  std::vector<uint8_t> bytes;
  uint32_t anchor = 0;
  uint32_t category = 0;

  Image() = default;
  Image(ed_format format, uint32_t width, uint32_t height, uint8_t r, uint8_t g, uint8_t b, uint32_t padding = 0) {
    frame.format = format;
    frame.width = width;
    frame.height = height;
    const bool is_yuv = format == ED_NV12 || format == ED_I420;
    const uint32_t channels = format == ED_RGB || format == ED_BGR ? 3 : format == ED_RGBA || format == ED_BGRA ? 4 : 1;
    const uint32_t half_width = (width + 1) / 2;
    const uint32_t half_height = (height + 1) / 2;
    const uint32_t strides[3] = {width * channels + padding,
                                 is_yuv ? (format == ED_NV12 ? 2 * half_width : half_width) + padding : 0,
                                 format == ED_I420 ? half_width + padding : 0};
    const size_t luma = size_t{strides[0]} * height;
    bytes.assign(luma + size_t{strides[1] + strides[2]} * half_height, 128);
    std::copy_n(strides, 3, frame.strides);
    for (uint32_t y = 0; y < height; y++) {
      for (uint32_t x = 0; x < width; x++) {
        uint8_t *pixel = &bytes[size_t{y} * strides[0] + size_t{x} * channels];
        if (channels == 1) {
          pixel[0] = r;
        } else {
          const bool is_bgr = format == ED_BGR || format == ED_BGRA;
          pixel[0] = is_bgr ? b : r;
          pixel[1] = g;
          pixel[2] = is_bgr ? r : b;
        }
      }
    }
    Point();
    uint32_t red = r;
    uint32_t green = g;
    if (format == ED_GREY) green = r;
    if (is_yuv) {
      // Chroma of 128 is none: BT.601's grey of limited range.
      red = green = static_cast<uint32_t>(std::lround(std::clamp((r - 16) * 255.0 / 219, 0.0, 255.0)));
    }
    anchor = red % kAnchors;
    category = green % kClasses;
  }

  /** After moves of the bytes. */
  void Point() {
    frame.planes[0] = bytes.data();
    const size_t luma = size_t{frame.strides[0]} * frame.height;
    const size_t chroma = size_t{frame.strides[1]} * ((frame.height + 1) / 2);
    frame.planes[1] = frame.strides[1] != 0 ? bytes.data() + luma : nullptr;
    frame.planes[2] = frame.strides[2] != 0 ? bytes.data() + luma + chroma : nullptr;
  }
};

/** A batch of images, each with post-processing parameters and room for its detections. */
struct Batch {
  std::vector<Image> images;
  std::vector<float> thresholds = std::vector<float>(kClasses, 0.5f);
  std::vector<ed_frame> frames;
  std::vector<ed_postprocess> postprocess;
  std::vector<std::vector<ed_detection>> detections;
  std::vector<ed_result> results;

  explicit Batch(std::vector<Image> of, uint32_t max_detections = 100) : images(std::move(of)) {
    for (Image &image : images) {
      image.Point();
      frames.push_back(image.frame);
      postprocess.push_back({thresholds.data(), 0.5f, max_detections, 5000, 0});
      detections.emplace_back(max_detections);
    }
    for (auto &each : detections) {
      ed_result result{};
      result.detections = each.data();
      result.capacity = max_detections;
      results.push_back(result);
    }
  }

  Batch(const Batch &) = delete;
  Batch &operator=(const Batch &) = delete;

  Answer Run(ed_engine *engine, uint32_t context = 0) {
    return Call(backend->infer, engine, context, frames.data(), postprocess.data(), results.data(),
                static_cast<uint32_t>(frames.size()));
  }

  void CheckResults() const {
    for (size_t i = 0; i < images.size(); i++) {
      const Image &image = images[i];
      const ed_result &result = results[i];
      CHECK(result.not_finite == 0);
      CHECK(result.count == 1);
      const ed_detection &found = result.detections[0];
      CHECK(found.class_id == image.category);
      CHECK(std::abs(found.score - 1 / (1 + std::exp(-2.0))) < 1e-6);
      const double scale =
          std::min(kHeight / static_cast<double>(image.frame.height), kWidth / static_cast<double>(image.frame.width));
      const auto near = [&](float value, double input, uint32_t most) {
        return std::abs(value - std::clamp(input / scale, 0.0, static_cast<double>(most))) < 1e-3;
      };
      CHECK(near(found.x1, 8.0 * image.anchor, image.frame.width));
      CHECK(near(found.x2, 8.0 * image.anchor + 8, image.frame.width));
      CHECK(near(found.y1, 0, image.frame.height));
      CHECK(near(found.y2, 8, image.frame.height));
    }
  }
};

/** An image whose size has each anchor within it, and whose colour's rounding is not in question. */
Image RandomImage(std::mt19937 &random) {
  const auto number = [&](uint32_t least, uint32_t most) {
    return std::uniform_int_distribution<uint32_t>(least, most)(random);
  };
  const auto format = static_cast<ed_format>(number(ED_RGB, ED_I420));
  const uint32_t height = number(1, 3);
  const uint32_t width = 32 * height + number(0, 9);
  // Greys of luma 16 + 73·k are whole.
  const auto luma = static_cast<uint8_t>(16 + 73 * number(0, 1));
  if (format == ED_NV12 || format == ED_I420) return {format, width, height, luma, luma, luma, number(0, 5)};
  return {format,
          width,
          height,
          static_cast<uint8_t>(number(0, kAnchors - 1)),
          static_cast<uint8_t>(number(0, kClasses - 1)),
          static_cast<uint8_t>(number(0, 200)),
          number(0, 5)};
}

/** The builder has libraries of its own, which nobody else would tell it of. */
void TensorRtIsToldItsFolder() {
  void *library = dlopen((folder + "/libnvinfer.so.10").c_str(), RTLD_NOW | RTLD_NOLOAD);
  CHECK(library != nullptr);
  const char *told = static_cast<const char *>(dlsym(library, "internal_library_path"));
  CHECK(std::filesystem::equivalent(told, folder));
  dlclose(library);
}

void MachinesThatCannotRunIt() {
  const auto probed = [](ed_status status, const char *words) {
    ed_probe probe{};
    CHECK_ANSWER(Call(backend->probe, 0u, &probe), status, words);
    ed_engine *engine = nullptr;
    CHECK_ANSWER(Load(Plan(0), &engine), status, words);
    CHECK(engine == nullptr && probe.device_count == 0);
    return probe;
  };
  // What JetPack 6 has.
  emulation::SetDriverVersion(12060);
  ed_probe probe =
      probed(ED_OLD_DRIVER, "The NVIDIA driver is too old: it runs CUDA 12.6, and this backend needs CUDA 13.0");
  CHECK(std::string(probe.driver_version) == "12.6" && std::string(probe.cuda_version) == "13.0");
  emulation::SetDriverVersion(0);
  probe = probed(ED_NO_DRIVER, "There is no NVIDIA driver");
  CHECK(std::string(probe.driver_version).empty());
  // A newer one is no older one.
  emulation::SetDriverVersion(13010);
  emulation::SetDeviceCount(0);
  probe = probed(ED_UNAVAILABLE, "There is an NVIDIA driver, for CUDA 13.1, but no GPU that it can use");
  CHECK(std::string(probe.driver_version) == "13.1");
  emulation::SetDeviceCount(1);
  ed_engine *engine = Loaded(Plan(0));
  backend->destroy(engine);
  emulation::SetDriverVersion(CUDART_VERSION);
}

void DevicesAreToldApart() {
  emulation::SetDeviceCount(2);
  ed_probe probe{};
  CHECK_ANSWER(Call(backend->probe, 0u, &probe), ED_OK, "");
  CHECK(probe.device_count == 2);
  int device = 1;
  CHECK(cudaGetDevice(&device) == cudaSuccess && device == 0);
  CHECK(std::string(probe.devices[0].uuid) == "GPU-8f9fafbf-cfdf-efff-0f1f-2f3f4f5f6f7f");
  CHECK(std::string(probe.devices[1].uuid) == "GPU-90a0b0c0-d0e0-f000-1020-304050607080");
  emulation::SetDeviceCount(1);
}

bool AreSame(const ed_device &a, const ed_device &b) {
  return std::strcmp(a.name, b.name) == 0 && std::strcmp(a.uuid, b.uuid) == 0 && a.major == b.major &&
         a.minor == b.minor && a.memory_bytes == b.memory_bytes && a.free_bytes == b.free_bytes &&
         a.integrated == b.integrated;
}

/** What is there is told without a context on any device, and a context is made on no other than the one that is used.
 */
void OnlyADeviceThatIsUsedGetsAContext() {
  emulation::SetDeviceCount(3);
  const auto has_contexts = [](bool first, bool second, bool third) {
    return emulation::HasContext(0) == first && emulation::HasContext(1) == second && emulation::HasContext(2) == third;
  };
  void *memory = nullptr;
  CHECK(cudaSetDevice(2) == cudaSuccess && cudaMalloc(&memory, 1 << 20) == cudaSuccess);
  // Threads begin on the first device, as JavaScript's does.
  std::thread([&] {
    emulation::ForgetContexts();
    ed_probe probe{};
    CHECK_ANSWER(Call(backend->probe, 0u, &probe), ED_OK, "");
    CHECK(has_contexts(false, false, false));
    CHECK(probe.device_count == 3 && std::string(probe.devices[1].name) == "CUDA emulation");
    CHECK(probe.devices[2].free_bytes == probe.devices[0].free_bytes - (1 << 20));

    CHECK_ANSWER(Call(backend->probe, 1u << 1, &probe), ED_OK, "");
    CHECK(has_contexts(false, true, false));
  }).join();
  std::thread([&] {
    emulation::ForgetContexts();
    ed_engine *engine = Loaded(Plan(0), 2, 1);
    Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)});
    // Where the caller keeps what the engine's threads run.
    std::thread([&] {
      uint8_t *pinned = backend->allocate(1, 100);
      CHECK(pinned != nullptr);
      std::thread([&] { CHECK_ANSWER(batch.Run(engine), ED_OK, ""); }).join();
      ed_engine_info info{};
      CHECK_ANSWER(Call(backend->info, engine, &info), ED_OK, "");
      std::thread([&] { backend->destroy(engine); }).join();
      std::thread([&] { backend->release(1, pinned); }).join();
    }).join();
    batch.CheckResults();
    CHECK(has_contexts(false, true, false));
  }).join();
  CHECK(cudaFree(memory) == cudaSuccess && cudaSetDevice(0) == cudaSuccess);
  emulation::SetDeviceCount(1);
}

void ADeviceWithoutKernelsIsToldAtTheLoad() {
  emulation::SetComputeCapability(70);
  ed_engine *engine = nullptr;
  CHECK_ANSWER(Load(Plan(0), &engine), ED_UNAVAILABLE,
               "no kernels for device 0, CUDA emulation of compute capability 7.0. Build it where the device is");
  CHECK(engine == nullptr && cudaPeekAtLastError() == cudaSuccess);
  emulation::SetComputeCapability(89);
}

/** Whatever is wrong with one device, all are told, each by its number, and it alone is without free memory. */
void ADeviceThatCannotBeUsedIsToldBesideTheOthers() {
  emulation::SetDeviceCount(2);
  ed_probe sound{};
  CHECK_ANSWER(Call(backend->probe, kBoth, &sound), ED_OK, "");
  CHECK(sound.devices[0].free_bytes > 0 && sound.devices[1].free_bytes > 0);
  for (const cudaError_t error : {cudaErrorMemoryAllocation, cudaErrorLaunchFailure}) {
    bool was_hurt[2] = {};
    const size_t begun = emulation::Calls();
    CHECK_ANSWER(Call(backend->probe, kBoth, &sound), ED_OK, "");
    const size_t calls = emulation::Calls() - begun;
    // The first asks how many there are.
    for (size_t call = 2; call <= calls; call++) {
      emulation::FailCall(call, error);
      ed_probe probe{};
      CHECK_ANSWER(Call(backend->probe, kBoth, &probe), ED_OK, "");
      CHECK(probe.device_count == 2);
      CHECK(cudaPeekAtLastError() == cudaSuccess);
      for (int i = 0; i < 2; i++) {
        const bool is_hurt = probe.devices[i].free_bytes == 0;
        CHECK(is_hurt || AreSame(probe.devices[i], sound.devices[i]));
        was_hurt[i] = was_hurt[i] || is_hurt;
      }
      emulation::FailCall(0, cudaSuccess);
      emulation::Revive();
    }
    CHECK(was_hurt[0] && was_hurt[1]);
  }
  emulation::SetDeviceCount(1);
}

/** It stays lost to the process, for loads too; what is on other devices goes on. */
void ALostDeviceHarmsNoOther() {
  emulation::SetDeviceCount(2);
  ed_engine *hurt = Loaded(Plan(0, "1"), 1, 0);
  ed_engine *sound = Loaded(Plan(0, "1"), 1, 1);
  Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)});
  const auto goes_on = [&] {
    CHECK_ANSWER(batch.Run(sound), ED_OK, "");
    batch.CheckResults();
  };
  goes_on();
  CHECK_ANSWER(batch.Run(hurt), ED_OK, "");

  emulation::FailCall(8, cudaErrorIllegalAddress);
  CHECK_ANSWER(batch.Run(hurt), ED_DEVICE_LOST, "an illegal memory access was encountered");
  goes_on();
  CHECK_ANSWER(batch.Run(hurt), ED_DEVICE_LOST, "Restart the process");
  ed_engine *another = nullptr;
  // The second has TensorRT work on the device before we do.
  for (const int capacity : {0, 10}) {
    CHECK_ANSWER(Load(Plan(capacity, "1"), &another), ED_DEVICE_LOST,
                 "Restart the process; engines on other devices go on.");
  }
  CHECK(another == nullptr);
  ed_probe probe{};
  CHECK_ANSWER(Call(backend->probe, kBoth, &probe), ED_OK, "");
  CHECK(probe.device_count == 2 && probe.devices[0].free_bytes == 0 && probe.devices[1].free_bytes > 0);
  goes_on();
  backend->destroy(Loaded(Plan(0, "1"), 1, 1));
  goes_on();
  backend->destroy(sound);

  emulation::Revive();
  CHECK_ANSWER(batch.Run(hurt), ED_DEVICE_LOST, "Restart the process");
  backend->destroy(hurt);
  another = Loaded(Plan(0, "1"));
  CHECK_ANSWER(batch.Run(another), ED_OK, "");
  backend->destroy(another);
  emulation::SetDeviceCount(1);
}

void EveryFormatAndBatch() {
  std::mt19937 random(1);
  for (const auto &[types, capacity] : {std::pair("0 0", 0), std::pair("1 1", 0), std::pair("0 1", 100),
                                        std::pair("1 2", 0), std::pair("0 2", 100), std::pair("1 0", 100)}) {
    ed_engine *engine = Loaded(Plan(types, capacity));
    ed_engine_info info{};
    CHECK_ANSWER(Call(backend->info, engine, &info), ED_OK, "");
    CHECK(info.max_batch_size == 8 && info.contexts == 1 && info.device_bytes > 0);
    // Each profile several times: alone, when its graph is made, and through its graph.
    for (const size_t count : {1, 2, 3, 4, 5, 8, 1, 3, 7, 1, 4, 6, 2, 2}) {
      std::vector<Image> images;
      for (size_t i = 0; i < count; i++) images.push_back(RandomImage(random));
      Batch batch(std::move(images));
      CHECK_ANSWER(batch.Run(engine), ED_OK, "");
      batch.CheckResults();
    }
    CHECK(emulation::CountLive().executables == 4);
    backend->destroy(engine);
  }
}

void AFixedBatchIsFilledUp() {
  ed_engine *engine = Loaded(Plan(0, "-4"));
  for (const size_t count : {size_t{1}, size_t{4}, size_t{3}}) {
    Batch batch(std::vector<Image>(count, Image(ED_RGB, 64, 2, 5, 6, 7)));
    CHECK_ANSWER(batch.Run(engine), ED_OK, "");
    batch.CheckResults();
  }
  Batch five(std::vector<Image>(5, Image(ED_RGB, 64, 2, 5, 6, 7)));
  CHECK_ANSWER(five.Run(engine), ED_INVALID, "A batch has 5 frames; the engine takes 1 to 4");
  backend->destroy(engine);
}

void EachFrameHasItsOwnPostprocessParameters() {
  ed_engine *engine = Loaded(Plan(0));
  for (int round = 0; round < 3; round++) {
    Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7), Image(ED_RGB, 64, 2, 8, 6, 7), Image(ED_RGB, 64, 2, 9, 3, 7)}, 1);
    for (ed_postprocess &postprocess : batch.postprocess) postprocess.pre_nms_top_k = 500;
    std::vector<float> none(kClasses, 0.5f);
    none[6] = 2;
    batch.postprocess[1].score_thresholds = none.data();
    std::vector<float> high(kClasses, 0.9f);
    batch.postprocess[2].score_thresholds = high.data();
    CHECK_ANSWER(batch.Run(engine), ED_OK, "");
    CHECK(batch.results[0].count == 1);
    CHECK(batch.results[1].count == 0);
    // 1 / (1 + e⁻²) is 0.88.
    CHECK(batch.results[2].count == 0);

    // More wishes than before move the memory; then all classes of all anchors, of which two are told.
    Batch wide({Image(ED_RGB, 64, 2, 5, 6, 7)}, static_cast<uint32_t>(200 + round));
    CHECK_ANSWER(wide.Run(engine), ED_OK, "");
    wide.CheckResults();

    Batch all({Image(ED_RGB, 64, 2, 5, 6, 7)}, static_cast<uint32_t>(2 + round));
    const std::vector<float> zero(kClasses, 0.0f);
    all.postprocess[0].score_thresholds = zero.data();
    all.postprocess[0].pre_nms_top_k = static_cast<uint32_t>(600 + round);
    CHECK_ANSWER(all.Run(engine), ED_OK, "");
    CHECK(all.results[0].count == static_cast<uint32_t>(2 + round));
    CHECK(all.results[0].detections_capped && all.results[0].candidates_capped);
    CHECK(all.results[0].detections[0].class_id == 6);
  }
  backend->destroy(engine);
}

void NumbersThatAreNoneAreTold() {
  for (const int capacity : {0, 10}) {
    ed_engine *engine = Loaded(Plan(capacity));
    Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7), Image(ED_RGB, 64, 2, 8, 6, 255)});
    CHECK_ANSWER(batch.Run(engine), ED_OK, "");
    CHECK(batch.results[0].count == 1 && batch.results[0].not_finite == 0);
    CHECK(batch.results[1].count == 0 && batch.results[1].not_finite == 1);
    backend->destroy(engine);
  }
}

void FramesOnTheDevice() {
  ed_engine *engine = Loaded(Plan(0));
  const Image image(ED_NV12, 65, 3, 89, 89, 89, 3);
  void *memory = nullptr;
  CHECK(cudaMalloc(&memory, image.bytes.size()) == cudaSuccess);
  CHECK(cudaMemcpy(memory, image.bytes.data(), image.bytes.size(), cudaMemcpyHostToDevice) == cudaSuccess);
  Batch batch({image, Image(ED_RGB, 64, 2, 8, 6, 7)});
  batch.frames[0].memory = ED_DEVICE;
  for (int p = 0; p < 2; p++) {
    batch.frames[0].planes[p] =
        static_cast<uint8_t *>(memory) + (batch.frames[0].planes[p] - batch.images[0].bytes.data());
  }
  CHECK_ANSWER(batch.Run(engine), ED_OK, "");
  batch.CheckResults();

  batch.frames[0].strides[1] += 4;
  CHECK_ANSWER(batch.Run(engine), ED_INVALID, "is not in memory that CUDA knows");
  batch.frames[0].planes[1] = batch.images[0].bytes.data();
  CHECK_ANSWER(batch.Run(engine), ED_INVALID, "its byte 0 of");
  cudaFree(memory);
  backend->destroy(engine);
}

/** The device waits for a frame that somebody else's stream still writes. */
void FramesThatAreNotThereYetAreAwaited() {
  ed_engine *engine = Loaded(Plan(0));
  const Image image(ED_RGB, 64, 2, 5, 6, 7);
  uint8_t *memory = nullptr;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  CHECK(cudaMalloc(&memory, image.bytes.size()) == cudaSuccess);
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  Batch batch({Image(ED_RGB, 64, 2, 8, 3, 7), image});
  ed_frame &frame = batch.frames[1];
  frame.memory = ED_DEVICE;
  frame.planes[0] = memory;
  for (const ed_readiness readiness : {ED_AFTER_EVENT, ED_AFTER_STREAM, ED_AFTER_EVENT}) {
    CHECK(cudaMemsetAsync(memory, 0, image.bytes.size(), stream) == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(cudaMemcpyAsync(memory, image.bytes.data(), image.bytes.size(), cudaMemcpyHostToDevice, stream) ==
          cudaSuccess);
    CHECK(cudaEventRecord(event, stream) == cudaSuccess);
    frame.readiness = readiness;
    frame.awaited = readiness == ED_AFTER_EVENT ? static_cast<void *>(event) : static_cast<void *>(stream);
    CHECK_ANSWER(batch.Run(engine), ED_OK, "");
    batch.CheckResults();
  }

  frame.readiness = ED_AFTER_EVENT;
  frame.awaited = nullptr;
  CHECK_ANSWER(batch.Run(engine), ED_INVALID, "unknown readiness 1");
  frame.awaited = event;
  // The device is chosen, then it and two places are asked about.
  emulation::FailCall(5, cudaErrorInvalidResourceHandle);
  CHECK_ANSWER(batch.Run(engine), ED_INVALID, "waits for an event or stream that cannot be waited for on its device");
  batch.frames[0].readiness = ED_AFTER_EVENT;
  batch.frames[0].awaited = event;
  CHECK_ANSWER(batch.Run(engine), ED_INVALID, "unknown readiness 1");
  CHECK(cudaEventDestroy(event) == cudaSuccess && cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaFree(memory) == cudaSuccess);
  backend->destroy(engine);
}

/** Memory of the backend's for frames. */
class Pinned {
 public:
  explicit Pinned(const std::vector<uint8_t> &bytes) : memory_(backend->allocate(0, bytes.size())) {
    CHECK(memory_ != nullptr);
    std::memcpy(memory_, bytes.data(), bytes.size());
  }
  ~Pinned() { backend->release(0, memory_); }
  Pinned(const Pinned &) = delete;
  Pinned &operator=(const Pinned &) = delete;

  uint8_t *get() const { return memory_; }

 private:
  uint8_t *const memory_;
};

void PinnedFramesAreReadInPlaceWhereADeviceSharesTheHostsMemory() {
  std::vector<Image> images;
  for (const ed_format format : {ED_RGB, ED_BGRA, ED_NV12, ED_I420})
    images.emplace_back(format, 600, 18, 89, 89, 89, 3);
  size_t all = 0;
  for (const Image &image : images) all += image.bytes.size();
  for (const bool integrated : {false, true}) {
    emulation::SetIntegrated(integrated);
    ed_engine *engine = Loaded(Plan(0));
    for (const bool pinned : {false, true}) {
      for (int run = 0; run < 3; run++) {
        Batch batch(images);
        std::vector<std::unique_ptr<Pinned>> memory;
        for (size_t i = 0; pinned && i < images.size(); i++) {
          const std::vector<uint8_t> &bytes = batch.images[i].bytes;
          memory.push_back(std::make_unique<Pinned>(bytes));
          for (const uint8_t *&plane : batch.frames[i].planes) {
            if (plane != nullptr) plane = memory.back()->get() + (plane - bytes.data());
          }
        }
        const size_t before = emulation::BytesToDevice();
        CHECK_ANSWER(batch.Run(engine), ED_OK, "");
        batch.CheckResults();
        // All but the last row's padding, or parameters alone.
        const size_t copied = emulation::BytesToDevice() - before;
        CHECK(integrated && pinned ? copied < all / 2 : copied > all - 100);
      }
    }
    backend->destroy(engine);
  }
  emulation::SetIntegrated(false);
}

#ifdef PROFILER
void AProfilerSeesBatchesAndTheirStages() {
  setenv("NVTX_INJECTION64_PATH", PROFILER, 1);
  ed_engine *engine = Loaded(Plan(0, "1 4"), 2);
  const auto take = reinterpret_cast<const char *(*)()>(dlsym(dlopen(PROFILER, RTLD_NOW), "TakeRanges"));
  CHECK(take != nullptr);
  const std::string loading = take();
  for (const char *stage : {"preprocess", "network", "postprocess", "graph", "wait"}) {
    CHECK(loading.find(std::string("efficientdet-trt: ") + stage + "\n") != std::string::npos);
  }
  for (const uint32_t context : {0u, 1u}) {
    Batch batch(std::vector<Image>(3, Image(ED_RGB, 64, 2, 5, 6, 7)));
    CHECK_ANSWER(batch.Run(engine, context), ED_OK, "");
    batch.CheckResults();
    CHECK(take() == "efficientdet-trt: batch of 3, context " + std::to_string(context) +
                        "\n"
                        "  efficientdet-trt: copy frames\n"
                        "  efficientdet-trt: graph\n"
                        "  efficientdet-trt: wait\n");
  }
  Batch bad({Image(ED_RGB, 64, 2, 5, 6, 7)});
  bad.frames[0].strides[0] = 1;
  CHECK_ANSWER(bad.Run(engine), ED_INVALID, "rows of 1 bytes");
  CHECK(std::string(take()) == "efficientdet-trt: batch of 1, context 0\n");
  backend->destroy(engine);
}
#endif

void NobodyWaitsBusily() {
  ed_engine *engine = Loaded(Plan(0));
  const size_t before = emulation::BusyWaits();
  for (int run = 0; run < 4; run++) {
    Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)});
    CHECK_ANSWER(batch.Run(engine), ED_OK, "");
    batch.CheckResults();
  }
  CHECK(emulation::BusyWaits() == before);
  backend->destroy(engine);
}

void FramesOnAnotherDeviceAreRefused() {
  emulation::SetDeviceCount(2);
  ed_engine *engine = Loaded(Plan(0));
  Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)});
  const std::vector<uint8_t> &bytes = batch.images[0].bytes;
  void *memory = nullptr;
  CHECK(cudaSetDevice(1) == cudaSuccess);
  CHECK(cudaMalloc(&memory, bytes.size()) == cudaSuccess);
  CHECK(cudaMemcpy(memory, bytes.data(), bytes.size(), cudaMemcpyHostToDevice) == cudaSuccess);
  batch.frames[0].memory = ED_DEVICE;
  batch.frames[0].planes[0] = static_cast<uint8_t *>(memory);
  CHECK_ANSWER(batch.Run(engine), ED_INVALID, "A frame is in the memory of device 1, and the engine runs on device 0.");
  backend->destroy(engine);

  engine = Loaded(Plan(0), 1, 1);
  CHECK_ANSWER(batch.Run(engine), ED_OK, "");
  batch.CheckResults();
  cudaFree(memory);
  backend->destroy(engine);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  emulation::SetDeviceCount(1);
}

void BadFramesAreRefused() {
  ed_engine *engine = Loaded(Plan(0));
  const auto refused = [&](void (*spoil)(ed_frame &), const char *words) {
    Batch batch({Image(ED_NV12, 64, 2, 16, 16, 16)});
    spoil(batch.frames[0]);
    CHECK_ANSWER(batch.Run(engine), ED_INVALID, words);
  };
  refused([](ed_frame &frame) { frame.width = 0; }, "0×2 pixels");
  refused([](ed_frame &frame) { frame.planes[1] = nullptr; }, "lacks its plane 1");
  refused([](ed_frame &frame) { frame.strides[0] = 63; }, "rows of 63 bytes in plane 0; they must be of 64");
  refused([](ed_frame &frame) { frame.format = static_cast<ed_format>(7); }, "unknown format 7");
  refused([](ed_frame &frame) { frame.matrix = static_cast<ed_matrix>(3); }, "unknown matrix 3");
  refused([](ed_frame &frame) { frame.range = static_cast<ed_range>(2); }, "range 2");
  Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)});
  CHECK_ANSWER(batch.Run(engine, 1), ED_INVALID, "There is no context 1");
  CHECK_ANSWER(batch.Run(engine), ED_OK, "");
  batch.CheckResults();
  backend->destroy(engine);
}

void ForeignPlansAreRefused() {
  ed_engine *engine = nullptr;
  CHECK_ANSWER(Load("nothing", &engine), ED_INVALID, "Serialization assertion failed");
  ed_model model = Model();
  model.classes = 80;
  CHECK_ANSWER(Load(Plan(0), &engine, 1, model), ED_INVALID,
               "class_logits/p3 is N×92×1×24 of float32, and the model's is "
               "N×80×N×N");
  CHECK_ANSWER(Load(Plan(100), &engine, 1, model), ED_INVALID, "class_thresholds is N×90");
  model = Model();
  model.input_width = 128;
  CHECK_ANSWER(Load(Plan("1 1", 0), &engine, 1, model), ED_INVALID, "images is N×3×8×256 of float16");
  CHECK_ANSWER(Load(Plan(0), &engine, 0), ED_INVALID, "0 contexts");
  CHECK(engine == nullptr);
}

void CodeForTheHostIsRefusedUnlessItIsAllowed() {
  const std::string plan = "stand-in-with-host-code" + Plan(0).substr(std::string("stand-in").size());
  const auto *bytes = reinterpret_cast<const uint8_t *>(plan.data());
  const ed_model model = Model();
  ed_engine *engine = nullptr;
  CHECK_ANSWER(Load(plan, &engine), ED_INVALID, "Host code is not allowed");
  ed_bytes json{};
  CHECK_ANSWER(Call(backend->inspect, bytes, plan.size(), 0u, &json), ED_INVALID, "Host code is not allowed");
  CHECK(engine == nullptr && json.data == nullptr);
  ed_load_options allowed{};
  allowed.contexts = 1;
  allowed.allow_host_code = 1;
  CHECK_ANSWER(Call(backend->load, bytes, plan.size(), &model, &allowed, &engine), ED_OK, "");
  backend->destroy(engine);
}

void ContextsRunSideBySide() {
  constexpr uint32_t kContexts = 4;
  ed_engine *engine = Loaded(Plan(0), kContexts);
  std::vector<std::thread> threads;
  for (uint32_t context = 0; context < kContexts; context++) {
    threads.emplace_back([=] {
      std::mt19937 random(context);
      for (int i = 0; i < 8; i++) {
        std::vector<Image> images;
        for (size_t n = 1 + random() % 8; n > 0; n--) images.push_back(RandomImage(random));
        Batch batch(std::move(images));
        CHECK_ANSWER(batch.Run(engine, context), ED_OK, "");
        batch.CheckResults();
      }
    });
  }
  for (auto &thread : threads) thread.join();
  backend->destroy(engine);
}

/** In how many contexts each profile's batches run as a graph. */
std::vector<uint32_t> GraphsOf(const ed_engine *engine) {
  ed_engine_info info{};
  CHECK_ANSWER(Call(backend->info, engine, &info), ED_OK, "");
  return {info.profile_graphs, info.profile_graphs + info.profile_count};
}

using Graphs = std::vector<uint32_t>;

void EveryBatchSizeHasRunWhenAnEngineIsLoaded() {
  ed_engine *engine = Loaded(Plan(0), 2);
  ed_engine_info info{};
  CHECK_ANSWER(Call(backend->info, engine, &info), ED_OK, "");
  CHECK(info.profile_count == 4 && info.profile_batch_sizes[3] == 8);
  CHECK((GraphsOf(engine) == Graphs{2, 2, 2, 2}));
  backend->destroy(engine);
}

void ALoadCanBeCancelled() {
  const int32_t cancel = 1;
  const std::string plan = Plan(0);
  const ed_model model = Model();
  ed_load_options options{};
  options.contexts = 1;
  options.cancel = &cancel;
  ed_engine *engine = nullptr;
  CHECK_ANSWER(
      Call(backend->load, reinterpret_cast<const uint8_t *>(plan.data()), plan.size(), &model, &options, &engine),
      ED_CANCELLED, "The load was cancelled.");
  CHECK(engine == nullptr);
}

/** Has an engine lose its graphs: it makes them anew after the next run. */
void Grow(ed_engine *engine, uint32_t detections) {
  Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)}, detections);
  CHECK_ANSWER(batch.Run(engine), ED_OK, "");
  CHECK(GraphsOf(engine) == Graphs{0});
}

void Run(ed_engine *engine) {
  Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)});
  CHECK_ANSWER(batch.Run(engine), ED_OK, "");
  batch.CheckResults();
}

/**
 * Loads wait for the whole device, which would spoil what another thread captures, and fail: so they wait for that.
 *
 * It holds for loads of another library of ours in the process, too.
 */
void ALoadWaitsForACapture() {
  const Folder elsewhere;
  const std::string copy = elsewhere.path() + "/libcopy.so";
  std::filesystem::copy_file(library_path, copy);
  const ed_backend *another = OpenBackend(copy.c_str());
  CHECK(another != backend);
  CHECK_ANSWER(Call(another->attach, folder.c_str()), ED_OK, "");
  ed_engine *engine = Loaded(Plan(0, "1"));
  uint32_t detections = 100;
  for (const ed_backend *loader : {backend, another}) {
    Grow(engine, ++detections);
    std::thread load;
    std::atomic<bool> has_loaded{false};
    emulation::OnCapture([&] {
      load = std::thread([&] {
        const std::string plan = Plan(0, "1");
        const ed_model model = Model();
        ed_load_options options{};
        options.contexts = 1;
        ed_engine *loaded = nullptr;
        CHECK_ANSWER(
            Call(loader->load, reinterpret_cast<const uint8_t *>(plan.data()), plan.size(), &model, &options, &loaded),
            ED_OK, "");
        has_loaded = true;
        loader->destroy(loaded);
      });
      // Time enough to do harm; it has to wait until this returns.
      for (int i = 0; i < 100 && !has_loaded; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      CHECK(!has_loaded);
    });
    Run(engine);
    load.join();
    CHECK(GraphsOf(engine) == Graphs{1});
  }
  backend->destroy(engine);
}

/** Builds take minutes, in which batches run without a graph. */
void WhileABuildRunsCapturesWait() {
  ed_engine *engine = Loaded(Plan(0, "1"));
  {
    const efficientdet::DeviceWork build(0);
    Grow(engine, 101);
    for (int i = 0; i < 10; i++) Run(engine);
    CHECK(GraphsOf(engine) == Graphs{0});
  }
  Run(engine);
  CHECK(GraphsOf(engine) == Graphs{1});
  {
    // One on another device hinders nobody.
    const efficientdet::DeviceWork build(1);
    Grow(engine, 102);
    Run(engine);
    CHECK(GraphsOf(engine) == Graphs{1});
  }
  backend->destroy(engine);
}

/** What other libraries in the process do is beyond our lock. */
void ACaptureThatIsSpoiltIsTriedAgain() {
  ed_engine *engine = Loaded(Plan(0, "1"));
  Grow(engine, 101);
  for (int spoilt = 0; spoilt < 3; spoilt++) {
    emulation::OnCapture(
        [] { std::thread([] { CHECK(cudaDeviceSynchronize() == cudaErrorStreamCaptureUnsupported); }).join(); });
    Run(engine);
    CHECK(GraphsOf(engine) == Graphs{0});
    // Not with each run: what cannot be captured at all would cost twice the time for ever.
    for (int i = 1; i < 1 << spoilt; i++) Run(engine);
    CHECK(GraphsOf(engine) == Graphs{0});
  }
  Run(engine);
  CHECK(GraphsOf(engine) == Graphs{1});
  backend->destroy(engine);
}

/** Threads that load, run, outgrow their memory and destroy engines, all at once: no load fails, and all get graphs. */
void LoadsAndCapturesSideBySide() {
  constexpr uint32_t kRounds = kSanitizesThreads ? 2 : 10;
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 3; thread++) {
    threads.emplace_back([thread] {
      for (uint32_t round = 0; round < kRounds; round++) {
        ed_engine *engine = Loaded(Plan(thread == 0 ? 100 : 0, "1 2"), 2);
        Batch batch({Image(ED_RGB, 64, 2, 5, 6, 7)}, 100 + 50 * (round % 2));
        for (uint32_t i = 0; i < 4; i++) {
          CHECK_ANSWER(batch.Run(engine, i % 2), ED_OK, "");
          batch.CheckResults();
        }
        backend->destroy(engine);
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
}

/** What one context lacks, another that makes its graph meanwhile does not notice. */
void AFailureSpoilsNoCaptureOfAnotherContext() {
  ed_engine *engine = Loaded(Plan(0, "1"));
  const Image image(ED_RGB, 64, 2, 5, 6, 7);
  Batch few({image}, 10);
  CHECK_ANSWER(few.Run(engine), ED_OK, "");

  // To CUDA, a stream of another context, which another thread captures as we do.
  cudaStream_t stream = nullptr;
  std::thread([&] {
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  }).join();
  Batch more({image}, 200);
  // The device is chosen, the graph and the old memory freed; then more of it is asked for.
  emulation::FailCall(4, cudaErrorMemoryAllocation);
  CHECK_ANSWER(more.Run(engine), ED_OUT_OF_MEMORY, "Allocating");
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);

  CHECK_ANSWER(more.Run(engine), ED_OK, "");
  more.CheckResults();
  backend->destroy(engine);
}

bool IsNothingLeft() {
  const emulation::Live live = emulation::CountLive();
  return live.device_allocations == 0 && live.host_allocations == 0 && live.streams == 0 && live.events == 0 &&
         live.graphs == 0 && live.executables == 0;
}

/** Loads, runs three batches and destroys; tells the worst answer. Whatever fails, what it answers is typed and right.
 */
ed_status UseOnce(const std::string &plan) {
  ed_engine *engine = nullptr;
  Answer answer = Load(plan, &engine);
  if (answer.status != ED_OK) {
    CHECK(engine == nullptr);
    CHECK(!answer.message.empty());
    return answer.status;
  }
  ed_status worst = ED_OK;
  for (uint32_t i = 0; i < 3; i++) {
    Batch batch({Image(ED_I420, 33, 1, 89, 89, 89)}, 10);
    answer = batch.Run(engine);
    if (answer.status == ED_OK) {
      batch.CheckResults();
    } else {
      CHECK(!answer.message.empty());
      // What is lost stays lost, whoever met it; all else can be used again.
      size_t free = 0;
      const bool is_lost = cudaMemGetInfo(&free, &free) == cudaErrorLaunchFailure;
      CHECK(is_lost == (answer.status == ED_DEVICE_LOST));
      worst = answer.status;
    }
  }
  backend->destroy(engine);
  return worst;
}

void EveryCallOfCudaMayFail() {
  for (const int capacity : {0, 10}) {
    const std::string plan = Plan(capacity, "1");
    const size_t before = emulation::Calls();
    CHECK(UseOnce(plan) == ED_OK);
    CHECK(IsNothingLeft());
    const size_t calls = emulation::Calls() - before;
    size_t lost = 0;
    for (const cudaError_t error : {cudaErrorMemoryAllocation, cudaErrorLaunchFailure}) {
      for (size_t call = 1; call <= calls; call++) {
        emulation::FailCall(call, error);
        const ed_status status = UseOnce(plan);
        CHECK(error == cudaErrorMemoryAllocation || status != ED_OUT_OF_MEMORY);
        CHECK(error == cudaErrorLaunchFailure || status != ED_DEVICE_LOST);
        if (status == ED_DEVICE_LOST) lost++;
        emulation::FailCall(0, cudaSuccess);
        emulation::Revive();
        if (!IsNothingLeft()) std::fprintf(stderr, "call %zu, error %d, status %d\n", call, error, status);
        CHECK(IsNothingLeft());
      }
      // A new load works.
      CHECK(UseOnce(plan) == ED_OK);
    }
    CHECK(lost > 0);
    std::printf("  %s: %zu calls, each made to fail in two ways\n", capacity > 0 ? "with the plugin" : "raw outputs",
                calls);
  }
}

/** A batch that wants more than there is memory for harms no other. */
void GrowingMayFail() {
  ed_engine *engine = Loaded(Plan(0, "1"));
  const Image image(ED_RGB, 64, 2, 5, 6, 7);
  size_t failures = 0;
  for (uint32_t call = 1; call <= 12; call++) {
    Batch more({image}, 100 + 10 * call);
    emulation::FailCall(call, cudaErrorMemoryAllocation);
    const Answer answer = more.Run(engine);
    emulation::FailCall(0, cudaSuccess);
    CHECK(answer.status == ED_OK || answer.status == ED_OUT_OF_MEMORY || answer.status == ED_FAILED);
    if (answer.status != ED_OK) failures++;
    Batch few({image}, 10);
    CHECK_ANSWER(few.Run(engine), ED_OK, "");
    few.CheckResults();
  }
  CHECK(failures > 0);
  backend->destroy(engine);
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3 || argc == 4);
  const std::string only = argc == 4 ? argv[3] : "";
  library_path = argv[1];
  backend = OpenBackend(argv[1]);
  folder = argv[2];
  CHECK(dlopen((folder + "/libnvidia-ml.so.1").c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr);
  CHECK_ANSWER(Call(backend->attach, folder.c_str()), ED_OK, "");
#define RUN(test, as)                                \
  if (only.empty() || only == #test) {               \
    emulation::SetSchedule(emulation::Schedule::as); \
    test();                                          \
    CHECK(IsNothingLeft());                          \
    std::printf("ok %s (%s)\n", #test, #as);         \
    std::fflush(stdout);                             \
  }
#ifdef PROFILER
  // First, for a profiler comes with the first range; apart, for it stays.
  if (only.empty() || only == "AProfilerSeesBatchesAndTheirStages") RUN_APART(AProfilerSeesBatchesAndTheirStages);
#else
  std::printf("Ranges are not tested: NVTX's headers are missing (npm run setup:cuda).\n");
#endif
  RUN(TensorRtIsToldItsFolder, kLate);
  RUN(MachinesThatCannotRunIt, kLate);
  RUN(DevicesAreToldApart, kLate);
  RUN(OnlyADeviceThatIsUsedGetsAContext, kLate);
  RUN(ADeviceWithoutKernelsIsToldAtTheLoad, kLate);
  RUN(ADeviceThatCannotBeUsedIsToldBesideTheOthers, kLate);
  RUN(ALostDeviceHarmsNoOther, kLate);
  RUN(EveryFormatAndBatch, kLate);
  RUN(AFixedBatchIsFilledUp, kAtOnce);
  RUN(EachFrameHasItsOwnPostprocessParameters, kLate);
  RUN(NumbersThatAreNoneAreTold, kLate);
  RUN(FramesOnTheDevice, kLate);
  RUN(FramesThatAreNotThereYetAreAwaited, kLate);
  RUN(PinnedFramesAreReadInPlaceWhereADeviceSharesTheHostsMemory, kLate);
  RUN(NobodyWaitsBusily, kLate);
  RUN(FramesOnAnotherDeviceAreRefused, kLate);
  RUN(BadFramesAreRefused, kLate);
  RUN(ForeignPlansAreRefused, kLate);
  RUN(CodeForTheHostIsRefusedUnlessItIsAllowed, kLate);
  RUN(ContextsRunSideBySide, kAtOnce);
  RUN(EveryBatchSizeHasRunWhenAnEngineIsLoaded, kLate);
  RUN(ALoadCanBeCancelled, kLate);
  RUN(ALoadWaitsForACapture, kLate);
  RUN(WhileABuildRunsCapturesWait, kLate);
  RUN(ACaptureThatIsSpoiltIsTriedAgain, kLate);
  RUN(LoadsAndCapturesSideBySide, kAtOnce);
  RUN(AFailureSpoilsNoCaptureOfAnotherContext, kLate);
  RUN(GrowingMayFail, kLate);
  // One thread and hundreds of loads: many minutes for ThreadSanitizer, and nothing to find.
  if (!kSanitizesThreads) RUN(EveryCallOfCudaMayFail, kLate);
  return 0;
}
