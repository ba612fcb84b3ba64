/*
 * Builds engines with the real TensorRT-RTX, which needs no device for that:
 *
 *   build_tests BACKEND FOLDER [MODEL.onnx]
 *
 * FOLDER holds its libraries, MODEL.onnx is a whole network for the tests of cancelling.
 */
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "small_graph.h"
#include "testing.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

const ed_backend *backend;
std::string model;

const uint32_t kTargets[] = {89, 120};

/** A build's options, and what it told. */
struct Build {
  ed_build_options options{};
  int32_t cancel = 0;
  std::vector<float> fractions;
  std::vector<std::string> phases;
  std::vector<std::string> lines;
  ed_bytes plan{};
  std::thread::id caller = std::this_thread::get_id();

  explicit Build(uint32_t max_batch_size = 1) {
    options.max_batch_size = max_batch_size;
    options.targets = kTargets;
    options.target_count = 1;
    options.optimisation_level = -1;
    options.cancel = &cancel;
    options.progress = [](void *self, float fraction, const char *phase) {
      auto *build = static_cast<Build *>(self);
      CHECK(std::this_thread::get_id() == build->caller);
      build->fractions.push_back(fraction);
      build->phases.emplace_back(phase);
    };
    options.progress_context = this;
    options.log = [](void *self, ed_severity, const char *line) {
      static_cast<Build *>(self)->lines.emplace_back(line);
    };
    options.log_context = this;
  }

  ~Build() { backend->free_bytes(&plan); }

  Build(const Build &) = delete;
  Build &operator=(const Build &) = delete;

  Answer Run(const std::string &onnx) {
    return Call(backend->build, reinterpret_cast<const uint8_t *>(onnx.data()), onnx.size(), &options, &plan);
  }
};

std::string SmallGraph(const std::vector<int64_t> &shape = {-1, 3, 8, 8}) {
  return small_graph::Onnx({{"/stem", "Relu"}, {"/head", "Sigmoid"}}, shape);
}

void ASmallGraphIsBuilt() {
  Build build(8);
  ed_bytes cache{};
  build.options.timing_cache_out = &cache;
  build.options.workspace_bytes = uint64_t{64} << 20;
  build.options.optimisation_level = 2;
  build.options.target_count = 2;
  CHECK_ANSWER(build.Run(SmallGraph()), ED_OK, "");
  CHECK(build.plan.size > 0);
  CHECK(cache.size == 0);
  CHECK(build.fractions.size() >= 2);
  CHECK(build.fractions.front() >= 0);
  CHECK(std::is_sorted(build.fractions.begin(), build.fractions.end()));
  CHECK(build.fractions.back() == 1);
  CHECK(std::none_of(build.phases.begin(), build.phases.end(), [](const auto &phase) { return phase.empty(); }));
  CHECK(!build.lines.empty());
}

void AFixedBatchIsThatBatch() {
  Build right(4);
  CHECK_ANSWER(right.Run(SmallGraph({4, 3, 8, 8})), ED_OK, "");
  Build wrong(8);
  CHECK_ANSWER(wrong.Run(SmallGraph({4, 3, 8, 8})), ED_INVALID, "input images takes batches of 4 and no others, and 8");
  Build open;
  CHECK_ANSWER(open.Run(SmallGraph({-1, 3, -2, 8})), ED_INVALID, "input images leaves dimension 2 open");
}

void ARefusedGraphNamesItsNode() {
  Build build;
  const std::string onnx = small_graph::Onnx({{"/stem", "Relu"}, {"/head/broken", "NoSuchOperator"}}, {-1, 3, 8, 8});
  const Answer answer = build.Run(onnx);
  std::printf("%s\n", answer.message.c_str());
  CHECK_ANSWER(answer, ED_INVALID, "node /head/broken (NoSuchOperator): ");
  CHECK(build.plan.data == nullptr);
}

void BytesThatAreNoGraph() {
  for (const std::string &bytes : {std::string(), std::string("PK\3\4"), std::string(10000, 'x')}) {
    Build build;
    CHECK_ANSWER(build.Run(bytes), ED_INVALID, "TensorRT-RTX");
  }
  // Some of them are graphs still: fields come in any order, and many may be left out.
  const std::string whole = SmallGraph();
  for (size_t size = 0; size < whole.size(); size += 7) {
    Build build;
    const Answer answer = build.Run(whole.substr(0, size));
    CHECK(answer.status == ED_OK || answer.status == ED_INVALID);
  }
}

void OptionsOutOfRange() {
  const std::string onnx = SmallGraph();
  {
    Build build(0);
    CHECK_ANSWER(build.Run(onnx), ED_INVALID, "The largest batch is 0");
  }
  {
    Build build;
    build.options.optimisation_level = 6;
    CHECK_ANSWER(build.Run(onnx), ED_INVALID, "The optimisation level is 6");
  }
  {
    Build build;
    const uint32_t orin = 87;
    build.options.targets = &orin;
    CHECK_ANSWER(build.Run(onnx), ED_INVALID, "compute capability 87, but for 75, 80, 86, 89, 120, 121");
  }
  {
    Build build;
    build.options.version_compatible = 1;
    CHECK_ANSWER(build.Run(onnx), ED_INVALID, "other versions");
  }
  {
    Build build;
    build.options.hardware_compatible = 1;
    CHECK_ANSWER(build.Run(onnx), ED_INVALID, "targets");
  }
}

void WithoutTargetsItNeedsADevice() {
  ed_probe probe{};
  if (Call(backend->probe, 0u, &probe).status == ED_OK) return;
  Build build;
  build.options.target_count = 0;
  CHECK_ANSWER(build.Run(SmallGraph()), ED_NO_DRIVER, "There is no NVIDIA driver");
}

void BuildsRunSideBySide() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([i] {
      Build build;
      if (i % 2 == 0) {
        CHECK_ANSWER(build.Run(SmallGraph()), ED_OK, "");
      } else {
        const std::string node = "/broken" + std::to_string(i);
        CHECK_ANSWER(build.Run(small_graph::Onnx({{node, "NoSuchOperator"}}, {1, 3})), ED_INVALID, node);
      }
    });
  }
  for (auto &thread : threads) thread.join();
}

/** Waits until no thread but this one is left, and tells the process's resident memory in MB. */
double SettledMemory() {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  for (const auto deadline = Clock::now() + 120s; threads() > 1;) {
    CHECK(Clock::now() < deadline);
    std::this_thread::sleep_for(10ms);
  }
  malloc_trim(0);
  long pages = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

/** Cancels a build after a while, and tells in seconds how long it took to return from then on. */
double CancelAfter(std::chrono::microseconds delay, bool expect_cancelled) {
  Build build;
  std::atomic<Clock::rep> raised{0};
  std::thread canceller([&] {
    std::this_thread::sleep_for(delay);
    raised = Clock::now().time_since_epoch().count();
    __atomic_store_n(&build.cancel, 1, __ATOMIC_RELAXED);
  });
  const Answer answer = build.Run(model);
  const auto returned = Clock::now().time_since_epoch().count();
  canceller.join();
  if (expect_cancelled) CHECK_ANSWER(answer, ED_CANCELLED, "cancelled");
  CHECK(build.plan.data == nullptr || answer.status == ED_OK);
  CHECK(build.fractions.empty() || build.fractions.back() < 1 || answer.status == ED_OK);
  return std::chrono::duration<double>(Clock::duration(returned - raised)).count();
}

void CancelledBuildsReturnAndFreeAll() {
  const auto begun = Clock::now();
  {
    Build build;
    CHECK_ANSWER(build.Run(model), ED_OK, "");
    std::printf("  a whole build: %.1f s, plan of %.1f MB, %zu steps told\n",
                std::chrono::duration<double>(Clock::now() - begun).count(), static_cast<double>(build.plan.size) / 1e6,
                build.fractions.size());
    CHECK(std::is_sorted(build.fractions.begin(), build.fractions.end()));
    CHECK(build.fractions.back() == 1);
  }
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
  CancelAfter(0us, true);

  std::mt19937 random(6);
  std::uniform_real_distribution<double> moment(0, 0.8);
  std::vector<double> seconds;
  std::vector<double> memory;
  for (int i = 0; i < 20; i++) {
    const auto delay = std::chrono::duration_cast<std::chrono::microseconds>(whole * moment(random));
    seconds.push_back(CancelAfter(delay, false));
    memory.push_back(SettledMemory());
  }
  std::sort(seconds.begin(), seconds.end());
  // Several builds: where one is left behind while the next begins, the heap once grows by what both need.
  const double first = *std::max_element(memory.begin(), memory.begin() + 10);
  const double last = *std::max_element(memory.begin() + 10, memory.end());
  std::printf(
      "  20 cancelled builds: returned after %.3f s (median), %.3f s (worst); at most %.0f MB after the first "
      "ten, %.0f MB after the last ten\n",
      seconds[10], seconds.back(), first, last);
  CHECK(last < first + 10);
}

void AProcessMayEndWhileABuildIsLeftBehind() {
  Build build;
  std::thread canceller([&] {
    std::this_thread::sleep_for(300ms);
    __atomic_store_n(&build.cancel, 1, __ATOMIC_RELAXED);
  });
  CHECK_ANSWER(build.Run(model), ED_CANCELLED, "");
  canceller.join();
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3 || argc == 4);
  backend = OpenBackend(argv[1]);
  const auto attached = [folder = argv[2]](void (*test)()) {
    return [=] {
      CHECK_ANSWER(Call(backend->attach, folder), ED_OK, "");
      test();
    };
  };
#define RUN_ATTACHED(test) RunApart(#test, attached(test))
  RUN_ATTACHED(ASmallGraphIsBuilt);
  RUN_ATTACHED(AFixedBatchIsThatBatch);
  RUN_ATTACHED(ARefusedGraphNamesItsNode);
  RUN_ATTACHED(BytesThatAreNoGraph);
  RUN_ATTACHED(OptionsOutOfRange);
  RUN_ATTACHED(WithoutTargetsItNeedsADevice);
  RUN_ATTACHED(BuildsRunSideBySide);
  if (argc == 3) {
    std::printf("skipped the tests of cancelling: no model was given\n");
    return 0;
  }
  std::ifstream file(argv[3], std::ios::binary);
  model.assign(std::istreambuf_iterator<char>(file), {});
  CHECK(!model.empty());
  RUN_ATTACHED(CancelledBuildsReturnAndFreeAll);
  RUN_ATTACHED(AProcessMayEndWhileABuildIsLeftBehind);
  return 0;
}
