/*
 * Tests of the addon without Node, against the fake backend, plainly and under sanitizers (CMake's
 * EFFICIENTDET_SANITIZE). Each function is one; a failed CHECK ends the program.
 */
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "backend_library.h"
#include "check.h"
#include "engine_threads.h"
#include "frame_copy.h"
#include "message.h"

namespace {

using namespace std::chrono_literals;

const ed_backend *Fake() {
  const BackendLibrary library = OpenBackendLibrary(FAKE_BACKEND);
  CHECK(library.table != nullptr);
  return library.table;
}

/** A function of the fake backend that is for tests. */
template <class Function>
Function *OfFake(const char *name) {
  return reinterpret_cast<Function *>(dlsym(dlopen(FAKE_BACKEND, RTLD_NOW), name));
}

int LiveEngines() { return OfFake<int()>("fake_backend_live_engines")(); }
uint64_t LiveBytes() { return OfFake<uint64_t()>("fake_backend_live_bytes")(); }
int BegunBatches() { return OfFake<int()>("fake_backend_begun_batches")(); }
int HeldBatches() { return OfFake<int()>("fake_backend_held_batches")(); }

/** Batches of engines with its setting wait while it lives. */
class Hold {
 public:
  Hold() { std::ofstream(path_).put('\n'); }
  ~Hold() { std::remove(path_.c_str()); }
  Hold(const Hold &) = delete;
  Hold &operator=(const Hold &) = delete;

  std::string Setting() const { return "hold_batches=" + path_; }

 private:
  const std::string path_ = "native_tests." + std::to_string(getpid()) + ".hold";
};

ed_engine *Load(const std::string &plan) {
  Message message;
  ed_model model{};
  ed_load_options options{};
  options.contexts = 4;
  ed_engine *engine = nullptr;
  const auto *bytes = reinterpret_cast<const uint8_t *>(plan.data());
  CHECK(Fake()->load(bytes, plan.size(), &model, &options, &engine, message.get()) == ED_OK);
  return engine;
}

EngineThreads::Options Options(uint32_t max_batch_size = 8, size_t max_pending = 1000) {
  EngineThreads::Options options;
  options.max_batch_size = max_batch_size;
  options.max_pending = max_pending;
  options.max_delay = 2ms;
  return options;
}

std::unique_ptr<Job> MakeJob(uint64_t id, uint8_t mark = 0, size_t size = 16) {
  auto job = std::make_unique<Job>();
  job->id = id;
  // Closed, so that nothing is kept.
  const auto pool = std::make_shared<StagingPool>(Fake(), 0);
  pool->Close();
  job->bytes = pool->Take(size);
  std::memset(job->bytes.data(), mark, size);
  job->frame.width = job->frame.height = 4;
  job->frame.format = ED_GREY;
  job->frame.planes[0] = job->bytes.data();
  job->frame.strides[0] = 4;
  job->score_thresholds = {0.5f};
  job->postprocess.score_thresholds = job->score_thresholds.data();
  job->postprocess.max_detections = 10;
  return job;
}

/** Collects outcomes and waits for them. */
class Outcomes {
 public:
  EngineThreads::Deliver Deliver() {
    return [this](std::unique_ptr<Outcome> outcome) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (outcome == nullptr) {
        closed_ = true;
      } else {
        outcomes_.push_back(std::move(outcome));
      }
      changed_.notify_all();
    };
  }

  void WaitFor(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    CHECK(changed_.wait_for(lock, 30s, [&] { return outcomes_.size() >= count; }));
  }

  void WaitForClosed() {
    std::unique_lock<std::mutex> lock(mutex_);
    CHECK(changed_.wait_for(lock, 30s, [&] { return closed_; }));
  }

  std::vector<std::unique_ptr<Outcome>> Take() {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::move(outcomes_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Outcome>> outcomes_;
  bool closed_ = false;
};

void FramesAreCopiedWhole() {
  std::vector<uint8_t> from(1000);
  for (size_t i = 0; i < from.size(); i++) from[i] = static_cast<uint8_t>(i * 7);
  for (size_t offset = 0; offset < 20; offset++) {
    for (size_t size = 0; size < 200; size++) {
      std::vector<uint8_t> to(300, 1);
      CopyFrame(to.data() + offset, from.data() + offset / 2, size);
      CHECK(std::memcmp(to.data() + offset, from.data() + offset / 2, size) == 0);
      CHECK(std::count(to.begin(), to.begin() + static_cast<long>(offset), 1) == static_cast<long>(offset));
      CHECK(to[offset + size] == 1);
    }
  }
}

void LibrariesThatAreNone() {
  CHECK(OpenBackendLibrary("/nowhere/libbackend.so").failure.find("/nowhere/libbackend.so") != std::string::npos);
  CHECK(OpenBackendLibrary("/proc/self/maps").table == nullptr);
  const BackendLibrary next = OpenBackendLibrary(NEXT_FAKE_BACKEND);
  CHECK(next.table == nullptr);
  CHECK(next.failure.find("speaks version " + std::to_string(ED_BACKEND_ABI_VERSION + 1)) != std::string::npos);
  // Opened twice, it is the same table.
  CHECK(OpenBackendLibrary(FAKE_BACKEND).table == OpenBackendLibrary(FAKE_BACKEND).table);
}

void EveryJobGetsItsOwnAnswer() {
  Outcomes outcomes;
  EngineThreads thread(Fake(), Load("delay=100"), Options(), outcomes.Deliver());
  for (uint64_t id = 0; id < 256; id++) {
    auto job = MakeJob(id, static_cast<uint8_t>(id));
    CHECK(thread.Submit(job));
  }
  outcomes.WaitFor(256);
  const EngineThreads::Work work = thread.CountWork();
  CHECK(work.queued == 0 && work.running == 0 && work.batches.size() == 8);
  uint64_t counted = 0;
  for (size_t i = 0; i < work.batches.size(); i++) counted += (i + 1) * work.batches[i];
  CHECK(counted == 256);
  for (const auto &outcome : outcomes.Take()) {
    CHECK(outcome->status == ED_OK);
    CHECK(outcome->detections.size() == 1);
    CHECK(std::lround(outcome->detections[0].score * 255) == static_cast<long>(outcome->id));
  }
}

void AFullQueueRefuses() {
  Outcomes outcomes;
  EngineThreads thread(Fake(), Load("delay=50000 batch=1"), Options(1, 3), outcomes.Deliver());
  for (uint64_t id = 0; id < 3; id++) {
    auto job = MakeJob(id);
    CHECK(thread.Submit(job));
  }
  auto job = MakeJob(3);
  CHECK(!thread.Submit(job));
  CHECK(job != nullptr);
  outcomes.WaitFor(1);
  CHECK(thread.Submit(job));
  outcomes.WaitFor(4);
}

void CancelledJobsAreNotDelivered() {
  Outcomes outcomes;
  {
    EngineThreads thread(Fake(), Load("delay=20000 batch=1"), Options(1), outcomes.Deliver());
    for (uint64_t id = 0; id < 4; id++) {
      auto job = MakeJob(id);
      CHECK(thread.Submit(job));
    }
    CHECK(thread.Cancel(3));
    CHECK(!thread.Cancel(3));
    CHECK(!thread.Cancel(99));
    thread.Close();
    outcomes.WaitForClosed();
  }
  const auto delivered = outcomes.Take();
  CHECK(delivered.size() == 3);
  for (const auto &outcome : delivered) CHECK(outcome->id != 3);
}

void ClosingRunsWhatIsQueued() {
  const int before = LiveEngines();
  Outcomes outcomes;
  EngineThreads thread(Fake(), Load("delay=1000"), Options(), outcomes.Deliver());
  for (uint64_t id = 0; id < 20; id++) {
    auto job = MakeJob(id);
    CHECK(thread.Submit(job));
  }
  thread.Close();
  auto late = MakeJob(20);
  CHECK(!thread.Submit(late));
  outcomes.WaitForClosed();
  CHECK(outcomes.Take().size() == 20);
  CHECK(LiveEngines() == before);
}

void StoppingDeliversNothingMore() {
  const int before = LiveEngines();
  for (int round = 0; round < 50; round++) {
    std::atomic<bool> stopped{false};
    EngineThreads thread(Fake(), Load("delay=300"), Options(), [&](std::unique_ptr<Outcome>) { CHECK(!stopped); });
    for (uint64_t id = 0; id < 30; id++) {
      auto job = MakeJob(id);
      CHECK(thread.Submit(job));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(round * 40));
    thread.Stop();
    stopped = true;
  }
  CHECK(LiveEngines() == before);
}

void AHangingBackendIsLeftBehind() {
  // Leaked on purpose: the thread that is left behind never ends.
  auto *outcomes = new Outcomes;
  EngineThreads thread(Fake(), Load("hang=1"), Options(), outcomes->Deliver());
  const int before = BegunBatches();
  auto job = MakeJob(1);
  CHECK(thread.Submit(job));
  while (BegunBatches() == before) std::this_thread::sleep_for(1ms);
  CHECK(!thread.StopWithin(50ms));
}

void FailuresAndNonsenseAreErrors() {
  for (const char *plan : {"fail=infer", "nonsense=count", "nonsense=class", "nonsense=nan"}) {
    Outcomes outcomes;
    EngineThreads thread(Fake(), Load(plan), Options(), outcomes.Deliver());
    auto job = MakeJob(1);
    CHECK(thread.Submit(job));
    outcomes.WaitFor(1);
    const auto delivered = outcomes.Take();
    CHECK(delivered[0]->status == ED_FAILED);
    CHECK(!delivered[0]->message.empty());
    CHECK(delivered[0]->detections.empty());
  }
}

void JobsThatWaitTogetherRunTogether() {
  constexpr int kCallers = 8;
  Outcomes outcomes;
  uint64_t id = 0;
  for (int round = 0; round < 20; round++) {
    const int before = BegunBatches();
    auto hold = std::make_unique<Hold>();
    EngineThreads thread(Fake(), Load(hold->Setting()), Options(kCallers), outcomes.Deliver());
    auto first = MakeJob(id++);
    CHECK(thread.Submit(first));
    while (HeldBatches() < 1) std::this_thread::sleep_for(1ms);
    for (int i = 0; i < kCallers; i++) {
      auto job = MakeJob(id++);
      CHECK(thread.Submit(job));
    }
    hold = nullptr;
    outcomes.WaitFor(1 + kCallers);
    outcomes.Take();
    CHECK(BegunBatches() == before + 2);
  }
}

void ContextsRunSideBySide() {
  EngineThreads::Options options = Options(1);
  options.contexts = 4;
  options.max_delay = 0ms;
  const int before = LiveEngines();
  Outcomes outcomes;
  {
    EngineThreads threads(Fake(), Load("together=4 batch=1 contexts=4"), options, outcomes.Deliver());
    for (uint64_t id = 0; id < 8; id++) {
      auto job = MakeJob(id);
      CHECK(threads.Submit(job));
    }
    threads.Close();
    // One after the other they would wait for ever.
    outcomes.WaitForClosed();
  }
  CHECK(outcomes.Take().size() == 8);
  CHECK(LiveEngines() == before);
}

void OneCallerNeverWaitsForOthers() {
  EngineThreads::Options options = Options();
  options.max_delay = std::chrono::hours(1);
  Outcomes outcomes;
  EngineThreads threads(Fake(), Load(""), options, outcomes.Deliver());
  std::vector<std::unique_ptr<Job>> batch;
  for (uint64_t id = 0; id < 8; id++) batch.push_back(MakeJob(id));
  CHECK(threads.SubmitTo(0, std::move(batch)));
  outcomes.WaitFor(8);
  // Those of a test are no callers.
  auto job = MakeJob(8);
  CHECK(threads.Submit(job));
  outcomes.WaitFor(9);
  threads.Close();
  outcomes.WaitForClosed();
}

void BatchesMayNameTheirContext() {
  EngineThreads::Options options = Options();
  options.contexts = 4;
  Outcomes outcomes;
  // What is wrong tells where a job ran.
  EngineThreads threads(Fake(), Load("contexts=4 delay=200 wrong=nothing wrong_context=2 wrong_batch=3 wrong_place=1"),
                        options, outcomes.Deliver());
  uint64_t id = 0;
  for (uint32_t context = 0; context < 4; context++) {
    for (size_t size = 1; size <= 8; size++) {
      std::vector<std::unique_ptr<Job>> batch;
      for (size_t i = 0; i < size; i++)
        batch.push_back(MakeJob(uint64_t{1000} * context + 10 * size + i, static_cast<uint8_t>(id++)));
      CHECK(threads.SubmitTo(context, std::move(batch)));
    }
  }
  outcomes.WaitFor(id);
  for (const auto &outcome : outcomes.Take()) {
    CHECK(outcome->status == ED_OK);
    CHECK(outcome->detections.empty() == (outcome->id == 1000 * 2 + 10 * 3 + 1));
  }
  threads.Close();
  CHECK(!threads.SubmitTo(0, {}));
  outcomes.WaitForClosed();
}

void BatchesMadeByTheCallerDoNotWaitForOneThatIsCollected() {
  EngineThreads::Options options = Options();
  options.contexts = 2;
  options.max_delay = std::chrono::hours(1);
  Outcomes outcomes;
  auto hold = std::make_unique<Hold>();
  EngineThreads threads(Fake(), Load("contexts=2 " + hold->Setting()), options, outcomes.Deliver());
  // Both threads are busy while two jobs are queued: these are two callers.
  for (uint32_t context = 0; context < 2; context++) {
    std::vector<std::unique_ptr<Job>> batch;
    batch.push_back(MakeJob(context));
    CHECK(threads.SubmitTo(context, std::move(batch)));
  }
  while (HeldBatches() < 2) std::this_thread::sleep_for(1ms);
  for (uint64_t id = 2; id < 4; id++) {
    auto job = MakeJob(id);
    CHECK(threads.Submit(job));
  }
  hold = nullptr;
  outcomes.WaitFor(4);
  // One thread holds this back for the second caller's; the other is free.
  auto job = MakeJob(4);
  CHECK(threads.Submit(job));
  for (uint64_t id = 5; id < 10; id++) {
    std::vector<std::unique_ptr<Job>> batch;
    batch.push_back(MakeJob(id));
    CHECK(threads.SubmitTo(static_cast<uint32_t>(id % 2), std::move(batch)));
    outcomes.WaitFor(id);
  }
  // Frames are copied with its help, too.
  const std::vector<uint8_t> from(3'000'000, 7);
  std::vector<uint8_t> to(from.size());
  for (int round = 0; round < 20; round++) threads.Copy(to.data(), from.data(), from.size());
  CHECK(to == from);
  CHECK(outcomes.Take().size() == 9);
  threads.Close();
  outcomes.WaitForClosed();
  CHECK(outcomes.Take().size() == 1);
}

void ThePoolKeepsWhatIsNeededAtOnce() {
  constexpr size_t kSize = StagingPool::kKept;
  const uint64_t before = LiveBytes();
  const auto pool = std::make_shared<StagingPool>(Fake(), 0);
  const auto burst = [&](size_t count, size_t size) {
    std::vector<Staging> frames;
    for (size_t i = 0; i < count; i++) {
      frames.push_back(pool->Take(size));
      CHECK(frames.back().data() != nullptr && frames.back().size() == size);
    }
  };
  burst(8, kSize);
  CHECK(LiveBytes() == before + 8 * kSize);
  // As long as that many are needed at once, they stay.
  for (int round = 0; round < 3; round++) {
    pool->Trim();
    CHECK(LiveBytes() == before + 8 * kSize);
    burst(8, kSize);
  }
  pool->Trim();
  burst(2, kSize);
  CHECK(pool->HasMoreThanKept());
  pool->Trim();
  CHECK(LiveBytes() == before + 3 * kSize);
  pool->Trim();
  CHECK(LiveBytes() == before + kSize);
  CHECK(!pool->HasMoreThanKept());
  // Small frames use large memory, until it goes; larger ones replace what is too small.
  burst(4, 100);
  CHECK(LiveBytes() == before + kSize + 300);
  burst(1, 2 * kSize);
  CHECK(LiveBytes() == before + 2 * kSize + 300);
  Staging late = pool->Take(100);
  pool->Close();
  CHECK(LiveBytes() == before + 100);
  late = Staging();
  CHECK(LiveBytes() == before);
  CHECK(!pool->HasMoreThanKept());
}

void MemoryOfABurstGoesBackWhenItIsOver() {
  constexpr size_t kSize = size_t{16} << 20;
  const uint64_t before = LiveBytes();
  Outcomes outcomes;
  auto hold = std::make_unique<Hold>();
  EngineThreads threads(Fake(), Load("contexts=2 " + hold->Setting()), Options(), outcomes.Deliver());
  for (uint64_t id = 0; id < 16; id++) {
    auto job = MakeJob(id);
    job->bytes = threads.Stage(kSize);
    job->frame.planes[0] = job->bytes.data();
    std::memset(job->bytes.data(), 0, 16);
    CHECK(threads.Submit(job));
  }
  CHECK(LiveBytes() >= before + 16 * kSize);
  // Those that are dropped give theirs back, too.
  CHECK(threads.Cancel(15));
  hold = nullptr;
  outcomes.WaitFor(15);
  while (LiveBytes() > before + StagingPool::kKept) std::this_thread::sleep_for(1ms);
  threads.Close();
  outcomes.WaitForClosed();
  CHECK(LiveBytes() == before);
}

void FramesAreCopiedTogether() {
  Outcomes outcomes;
  EngineThreads threads(Fake(), Load("delay=100"), Options(), outcomes.Deliver());
  std::vector<uint8_t> from(3'000'001);
  for (size_t i = 0; i < from.size(); i++) from[i] = static_cast<uint8_t>(i * 7 + i / 1000);
  for (int round = 0; round < 100; round++) {
    // Now and then while the engine is busy.
    if (round % 3 == 0) {
      auto job = MakeJob(static_cast<uint64_t>(round));
      CHECK(threads.Submit(job));
    }
    const size_t size = from.size() - static_cast<size_t>(round) * 20'000;
    std::vector<uint8_t> to(from.size(), 0);
    threads.Copy(to.data(), from.data(), size);
    CHECK(std::memcmp(to.data(), from.data(), size) == 0);
    CHECK(std::count(to.begin() + static_cast<long>(size), to.end(), 0) == static_cast<long>(to.size() - size));
  }
  threads.Stop();
  // Nobody is there to help.
  std::vector<uint8_t> to(from.size());
  threads.Copy(to.data(), from.data(), from.size());
  CHECK(to == from);
}

void ManyThreadsMaySubmitAndCancel() {
  Outcomes outcomes;
  EngineThreads::Options options = Options(8, 64);
  options.contexts = 3;
  EngineThreads thread(Fake(), Load("delay=50 contexts=3"), options, outcomes.Deliver());
  std::atomic<size_t> accepted{0};
  std::atomic<size_t> cancelled{0};
  const std::vector<uint8_t> frame(500'000, 9);
  std::vector<std::thread> callers;
  for (uint64_t caller = 0; caller < 4; caller++) {
    callers.emplace_back([&, caller] {
      std::mt19937 random(static_cast<unsigned>(caller));
      for (uint64_t i = 0; i < 500; i++) {
        const uint64_t id = caller * 1000 + i;
        auto job = MakeJob(id, 0, frame.size());
        thread.Copy(job->bytes.data(), frame.data(), job->bytes.size());
        if (!thread.Submit(job)) continue;
        accepted++;
        if (random() % 4 == 0 && thread.Cancel(id)) cancelled++;
      }
    });
  }
  for (auto &caller : callers) caller.join();
  thread.Close();
  outcomes.WaitForClosed();
  CHECK(outcomes.Take().size() == accepted - cancelled);
}

}  // namespace

int main() {
#define RUN(test)                  \
  do {                             \
    test();                        \
    std::printf("ok %s\n", #test); \
    std::fflush(stdout);           \
  } while (false)
  RUN(FramesAreCopiedWhole);
  RUN(LibrariesThatAreNone);
  RUN(EveryJobGetsItsOwnAnswer);
  RUN(AFullQueueRefuses);
  RUN(CancelledJobsAreNotDelivered);
  RUN(ClosingRunsWhatIsQueued);
  RUN(StoppingDeliversNothingMore);
  RUN(FailuresAndNonsenseAreErrors);
  RUN(JobsThatWaitTogetherRunTogether);
  RUN(ContextsRunSideBySide);
  RUN(OneCallerNeverWaitsForOthers);
  RUN(BatchesMayNameTheirContext);
  RUN(BatchesMadeByTheCallerDoNotWaitForOneThatIsCollected);
  RUN(ThePoolKeepsWhatIsNeededAtOnce);
  RUN(MemoryOfABurstGoesBackWhenItIsOver);
  RUN(FramesAreCopiedTogether);
  RUN(ManyThreadsMaySubmitAndCancel);
  RUN(AHangingBackendIsLeftBehind);
  return 0;
}
