/*
 * A backend for tests, which needs no GPU: it keeps the contract's promises, or breaks one as told by words
 * `key=value` in the environment variable FAKE_BACKEND.
 *
 * What it builds from or loads tells it as well, where that is short (whole networks are not read).
 *
 * - `batch=N`: frames per infer (default 8)
 * - `contexts=N`: batches at the same time (default 1)
 * - `devices=N`: GPUs (default 1)
 * - `delay=N`: microseconds that a batch takes (default 0); slept, not worked
 * - `hold_build=PATH`: waits half way through a build while there is this file, or until the build is cancelled
 * - `hold_batches=PATH`: waits in every batch while there is this file
 * - `together=N`: a batch waits until N of them are running, on whatever devices
 * - `found=N`: detections per frame (default 1)
 * - `fail=build|load|infer`: refuses to build or load, or fails every batch
 * - `fail=attach|probe`: lacks its library, or cannot run here
 * - `fail=device`: loses its device, the last if there are several, with the first batch
 * - `hang=1|device`: never answers, or not on the last device if there are several
 * - `nonsense=count|class|nan`: answers what cannot be
 * - `refuse=N`: the first byte of frames that it refuses, with all that run with them
 * - `yuv=N`: twice the matrix and the range that frames must have; others it refuses, with all that run with them
 * - `awaited=N`: 256 times the readiness that frames must have, and the last byte of what they wait for; others it
 *   refuses, with all that run with them
 * - `hold_load=PATH`: waits in a load while there is this file, or until the load is cancelled
 * - `kernels=TEXT`: the kernels that a load compiles, unless it is given them
 * - `integrated=1`: its devices share the host's memory
 * - `machine=N`: which machine's its devices are, by their UUIDs (default 1)
 * - `not_finite=N`: the first byte of frames for which the network gives NaN
 * - `answers=PATH`: a file of answers, in 32 bits each: FNV-1a of a frame's first row of pixels, number of
 *   detections, then these as ed_detection
 * - `wrong=score|box|class|frame|nothing|nan`: answers what may be and is wrong: other scores, boxes or classes,
 *   those of the batch's next frame, nothing, or that the network gave NaN
 * - `wrong_context=N`, `wrong_batch=N`, `wrong_place=N`: so only in this context, in batches of so many, for this
 *   frame of them
 *
 * It answers for each frame a box of the frame's size whose score is the frame's first byte over 255, so that a test
 * can tell whose it is.
 *
 * `build` hands its bytes on as the plan, after 100 steps of `step=N` microseconds. Compiled with FAKE_ABI_VERSION,
 * it claims another version of the contract.
 */
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "efficientdet_backend.h"

#ifndef FAKE_ABI_VERSION
#define FAKE_ABI_VERSION ED_BACKEND_ABI_VERSION
#endif

struct ed_engine {
  std::map<std::string, std::string> settings;
  uint32_t device = 0;
  uint32_t contexts = 1;
  /** By the hash of a frame's first row. */
  std::map<uint32_t, std::vector<ed_detection>> answers{};
  /** Contexts in which a call is running, of which the contract allows one each. */
  std::atomic<uint64_t> busy{0};

  long Number(const char *key, long otherwise) const {
    const auto found = settings.find(key);
    return found == settings.end() ? otherwise : std::strtol(found->second.c_str(), nullptr, 10);
  }
  bool IsHeld(const char *key) const {
    const auto found = settings.find(key);
    return found != settings.end() && std::ifstream(found->second).good();
  }
  bool Is(const char *key, const char *value) const {
    const auto found = settings.find(key);
    return found != settings.end() && found->second == value;
  }
};

namespace {

/** Engines that were loaded and not destroyed: what a leak would raise. */
std::atomic<int> live_engines{0};
/** What was allocated for frames and not released. */
std::atomic<uint64_t> live_bytes{0};

/** Batches that were begun. */
std::atomic<int> begun_batches{0};
/** Batches that wait because of `hold_batches`. */
std::atomic<int> held_batches{0};
/** Batches that ever waited for others. */
std::atomic<long> grouped_batches{0};

/** Lets a test decide when things go on: events, not times. */
template <typename Condition>
void AwaitThat(const Condition &condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

ed_status Say(ed_message *message, ed_status status, const char *text) {
  std::strncpy(message->text, text, message->capacity - 1);
  message->text[message->capacity - 1] = '\0';
  return status;
}

std::map<std::string, std::string> SettingsOf(const uint8_t *data, size_t size) {
  std::map<std::string, std::string> settings;
  const char *given = std::getenv("FAKE_BACKEND");
  std::string text = given == nullptr ? "" : given;
  if (size < 1000) text += " " + std::string(reinterpret_cast<const char *>(data), size);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) settings[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return settings;
}

ed_status Attach(const char *folder, ed_message *message) {
  if (!ed_engine{SettingsOf(nullptr, 0)}.Is("fail", "attach")) return ED_OK;
  const std::string where = folder == nullptr ? "where the system looks" : folder;
  return Say(message, ED_NO_LIBRARY, ("there is no libfake.so.1 " + where).c_str());
}

ed_status Probe(uint32_t, ed_probe *probe, ed_message *message) {
  std::strcpy(probe->library_version, "1.0");
  probe->can_build = 1;
  if (ed_engine{SettingsOf(nullptr, 0)}.Is("fail", "probe")) {
    return Say(message, ED_UNAVAILABLE, "no fake GPU was found");
  }
  std::strcpy(probe->description, "fake backend 1.0");
  std::strcpy(probe->cuda_version, "13.0");
  std::strcpy(probe->driver_version, "13.1");
  probe->device_count = static_cast<uint32_t>(ed_engine{SettingsOf(nullptr, 0)}.Number("devices", 1));
  for (uint32_t i = 0; i < probe->device_count; i++) {
    ed_device &device = probe->devices[i];
    std::strcpy(device.name, "Fake GPU");
    device.major = 8;
    device.minor = 9;
    device.memory_bytes = uint64_t{8} << 30;
    device.free_bytes = uint64_t{6} << 30;
    device.integrated = ed_engine{SettingsOf(nullptr, 0)}.Is("integrated", "1");
    std::snprintf(device.uuid, sizeof device.uuid, "GPU-%ld-%u", ed_engine{SettingsOf(nullptr, 0)}.Number("machine", 1),
                  i);
  }
  return ED_OK;
}

ed_bytes CopyOf(const uint8_t *data, size_t size) {
  ed_bytes bytes{static_cast<uint8_t *>(std::malloc(size)), size};
  std::memcpy(bytes.data, data, size);
  return bytes;
}

ed_status Build(const uint8_t *onnx, size_t size, const ed_build_options *options, ed_bytes *plan,
                ed_message *message) {
  const ed_engine engine{SettingsOf(onnx, size)};
  if (options->log != nullptr) options->log(options->log_context, ED_WARNING, "the fake builder was asked to build");
  if (engine.Is("fail", "build")) return Say(message, ED_INVALID, "node /backbone/conv_stem: told to fail");
  const int steps = 100;
  for (int i = 0; i <= steps; i++) {
    if (__atomic_load_n(options->cancel, __ATOMIC_RELAXED) != 0)
      return Say(message, ED_CANCELLED, "The build was cancelled.");
    if (options->progress != nullptr) {
      options->progress(options->progress_context, static_cast<float>(i) / steps,
                        i < steps / 2 ? "parsing" : "building");
    }
    if (i == steps / 2) {
      AwaitThat(
          [&] { return !engine.IsHeld("hold_build") || __atomic_load_n(options->cancel, __ATOMIC_RELAXED) != 0; });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(engine.Number("step", 0)));
  }
  *plan = CopyOf(onnx, size);
  // Grows with every build, so that a test can tell whether builds share it.
  if (options->timing_cache_out != nullptr) {
    const std::string cache(options->timing_cache_size + 1, 'x');
    *options->timing_cache_out = CopyOf(reinterpret_cast<const uint8_t *>(cache.data()), cache.size());
  }
  return ED_OK;
}

ed_status Inspect(const uint8_t *, size_t, uint32_t, ed_bytes *json, ed_message *) {
  constexpr char kLayers[] = R"({"Layers": [{"Name": "conv_stem", "Outputs": [{"Format/Datatype": "Half"}]}]})";
  *json = CopyOf(reinterpret_cast<const uint8_t *>(kLayers), sizeof kLayers - 1);
  return ED_OK;
}

void FreeBytes(ed_bytes *bytes) {
  std::free(bytes->data);
  *bytes = {};
}

std::map<uint32_t, std::vector<ed_detection>> AnswersOf(const std::string &path) {
  std::map<uint32_t, std::vector<ed_detection>> answers;
  std::ifstream file(path, std::ios::binary);
  uint32_t head[2];
  while (file.read(reinterpret_cast<char *>(head), sizeof head)) {
    std::vector<ed_detection> detections(head[1]);
    file.read(reinterpret_cast<char *>(detections.data()), static_cast<long>(detections.size() * sizeof(ed_detection)));
    answers[head[0]] = std::move(detections);
  }
  return answers;
}

uint32_t HashOfFirstRow(const ed_frame &frame) {
  const uint32_t pixel_bytes = frame.format == ED_RGB || frame.format == ED_BGR ? 3 : 1;
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < frame.width * pixel_bytes; i++) hash = (hash ^ frame.planes[0][i]) * 16777619u;
  return hash;
}

ed_status Load(const uint8_t *plan, size_t size, const ed_model *, const ed_load_options *options, ed_engine **engine,
               ed_message *message) {
  auto *made = new ed_engine{SettingsOf(plan, size)};
  made->device = options->device;
  made->contexts = std::min(options->contexts, static_cast<uint32_t>(made->Number("contexts", 1)));
  if (made->settings.count("answers") > 0) made->answers = AnswersOf(made->settings["answers"]);
  if (made->Is("fail", "load")) {
    delete made;
    return Say(message, ED_INVALID, "the engine was built for another device");
  }
  const auto is_cancelled = [&] {
    return options->cancel != nullptr && __atomic_load_n(options->cancel, __ATOMIC_RELAXED) != 0;
  };
  AwaitThat([&] { return !made->IsHeld("hold_load") || is_cancelled(); });
  if (is_cancelled()) {
    delete made;
    return Say(message, ED_CANCELLED, "The load was cancelled.");
  }
  const std::string given(reinterpret_cast<const char *>(options->kernels), options->kernels_size);
  const std::string kernels = made->settings["kernels"];
  if (options->kernels_out != nullptr && kernels != given) {
    *options->kernels_out = CopyOf(reinterpret_cast<const uint8_t *>(kernels.data()), kernels.size());
  }
  live_engines++;
  *engine = made;
  return ED_OK;
}

ed_status Info(const ed_engine *engine, ed_engine_info *info, ed_message *) {
  info->max_batch_size = static_cast<uint32_t>(engine->Number("batch", 8));
  info->contexts = engine->contexts;
  std::snprintf(info->description, sizeof info->description, "Fake GPU%s, float32",
                engine->device == 0 ? "" : (" " + std::to_string(engine->device)).c_str());
  info->device_bytes = 1 << 20;
  return ED_OK;
}

/** The size lies before the memory, which keeps the alignment of the largest type. */
constexpr size_t kHead = alignof(std::max_align_t);

uint8_t *Allocate(uint32_t, size_t size) {
  auto *memory = static_cast<uint8_t *>(std::malloc(kHead + size));
  if (memory == nullptr) return nullptr;
  std::memcpy(memory, &size, sizeof size);
  live_bytes += size;
  return memory + kHead;
}

void Release(uint32_t, uint8_t *memory) {
  if (memory == nullptr) return;
  size_t size = 0;
  std::memcpy(&size, memory - kHead, sizeof size);
  live_bytes -= size;
  std::free(memory - kHead);
}

/** A frame's first byte; of one on the device, which there is none of, its address's last. */
long MarkOf(const ed_frame &frame) {
  if (frame.memory == ED_DEVICE) return static_cast<long>(reinterpret_cast<uintptr_t>(frame.planes[0]) & 255);
  return frame.planes[0][0];
}

void Answer(const ed_engine &engine, const ed_frame &frame, ed_result &result) {
  auto found = static_cast<uint32_t>(engine.Number("found", 1));
  const auto right = static_cast<float>(frame.width);
  const auto bottom = static_cast<float>(frame.height);
  const ed_detection whole{0, 0, right, bottom, static_cast<float>(MarkOf(frame)) / 255.0f, 0};
  std::vector<ed_detection> detections(found, whole);
  if (!engine.answers.empty() && frame.memory == ED_HOST) {
    const auto known = engine.answers.find(HashOfFirstRow(frame));
    if (known != engine.answers.end()) detections = known->second;
    found = static_cast<uint32_t>(detections.size());
  }
  result.count = std::min(found, result.capacity);
  result.detections_capped = found > result.capacity;
  std::copy_n(detections.begin(), result.count, result.detections);
}

bool IsWrong(const ed_engine &engine, uint32_t context, uint32_t count, uint32_t place) {
  const auto is_there = [&](const char *key, uint32_t value) {
    return engine.Number(key, static_cast<long>(value)) == static_cast<long>(value);
  };
  return is_there("wrong_context", context) && is_there("wrong_batch", count) && is_there("wrong_place", place);
}

void Spoil(const ed_engine &engine, ed_result &result) {
  if (engine.Is("wrong", "nan")) result.not_finite = 1;
  if (engine.Is("wrong", "nan") || engine.Is("wrong", "nothing")) result.count = 0;
  for (uint32_t i = 0; i < result.count; i++) {
    ed_detection &detection = result.detections[i];
    if (engine.Is("wrong", "score")) detection.score = std::max(0.0f, detection.score - 0.15f);
    if (engine.Is("wrong", "box")) detection.x2 = detection.x1 + (detection.x2 - detection.x1) / 2;
    if (engine.Is("wrong", "class")) detection.class_id++;
  }
}

/** Ends a call in a context. */
struct Idle {
  ed_engine *engine;
  uint64_t context_bit;
  ~Idle() { engine->busy.fetch_and(~context_bit); }
};

ed_status Infer(ed_engine *engine, uint32_t context, const ed_frame *frames, const ed_postprocess *, ed_result *results,
                uint32_t count, ed_message *message) {
  begun_batches++;
  const bool is_last = engine->device + 1 == static_cast<uint32_t>(engine->Number("devices", 1));
  while (engine->Is("hang", "1") || (engine->Is("hang", "device") && is_last))
    std::this_thread::sleep_for(std::chrono::seconds(1));
  const uint64_t context_bit = uint64_t{1} << context;
  if ((engine->busy.fetch_or(context_bit) & context_bit) != 0)
    return Say(message, ED_FAILED, "two calls at once in one context");
  const Idle idle{engine, context_bit};
  const auto begun = std::chrono::steady_clock::now();
  held_batches++;
  AwaitThat([&] { return !engine->IsHeld("hold_batches"); });
  held_batches--;
  const long together = engine->Number("together", 1);
  if (together > 1) {
    const long group_end = (grouped_batches.fetch_add(1) / together + 1) * together;
    AwaitThat([&] { return grouped_batches >= group_end; });
  }
  const long delay = engine->Number("delay", 0);
  if (delay > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay));
  for (uint32_t i = 0; i < count; i++) {
    const long yuv = 2 * frames[i].matrix + frames[i].range;
    if (engine->Number("yuv", yuv) != yuv) return Say(message, ED_INVALID, "A frame has another matrix or range.");
    const auto awaited = static_cast<long>(uintptr_t{256} * frames[i].readiness +
                                           (reinterpret_cast<uintptr_t>(frames[i].awaited) & 255));
    if (engine->Number("awaited", awaited) != awaited) return Say(message, ED_INVALID, "A frame waits otherwise.");
    if (engine->Number("refuse", -1) == MarkOf(frames[i])) return Say(message, ED_INVALID, "A frame is refused.");
  }
  if (engine->Is("fail", "infer")) return Say(message, ED_FAILED, "told to fail");
  if (engine->Is("fail", "device") && is_last) {
    return Say(message, ED_DEVICE_LOST, "an illegal memory access was encountered");
  }

  for (uint32_t i = 0; i < count; i++) {
    const ed_frame &frame = frames[i];
    ed_result &result = results[i];
    const bool is_wrong = IsWrong(*engine, context, count, i);
    Answer(*engine, is_wrong && engine->Is("wrong", "frame") ? frames[(i + 1) % count] : frame, result);
    if (is_wrong) Spoil(*engine, result);
    // A sleep takes longer than it was told: what it took is what benchmarks need to know.
    result.network_ms = std::chrono::duration<float, std::milli>(std::chrono::steady_clock::now() - begun).count();
    if (engine->Number("not_finite", -1) == MarkOf(frame)) {
      result.not_finite = 1;
      result.count = 0;
    }
    if (engine->Is("nonsense", "count")) result.count = result.capacity + 1;
    if (engine->Is("nonsense", "class")) result.detections[0].class_id = 4000000000u;
    if (engine->Is("nonsense", "nan")) result.detections[0].x1 = std::nanf("");
  }
  return ED_OK;
}

void Destroy(ed_engine *engine) {
  live_engines--;
  delete engine;
}

const ed_backend kTable = {
    FAKE_ABI_VERSION,
    sizeof(ed_backend),
    "fake",
    Attach,
    Probe,
    Build,
    Inspect,
    FreeBytes,
    Load,
    Info,
    Allocate,
    Release,
    Infer,
    Destroy,
};

}  // namespace

extern "C" ED_EXPORT const ed_backend *efficientdet_open_backend(uint32_t) { return &kTable; }

/** For tests. */
extern "C" ED_EXPORT int fake_backend_live_engines() { return live_engines; }
extern "C" ED_EXPORT uint64_t fake_backend_live_bytes() { return live_bytes; }
extern "C" ED_EXPORT int fake_backend_begun_batches() { return begun_batches; }
extern "C" ED_EXPORT int fake_backend_held_batches() { return held_batches; }
