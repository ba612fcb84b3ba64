#include "kernels.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include "emulation.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(EMULATION_FOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/*
 * The threads of a block are fibres, each running until it waits. An ended one takes the next thread, so kernels
 * without barriers loop on one fibre.
 *
 * Under ThreadSanitizer each thread gets a fibre of its own: annotations tell it that only barriers order them, so
 * that it finds a missing one.
 */
namespace emulation {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr unsigned kWarp = 32;

#if defined(EMULATION_FOR_TSAN)
constexpr bool kFibrePerThread = true;
void Acquire(void *address) { __tsan_acquire(address); }
void Release(void *address) { __tsan_release(address); }
#else
constexpr bool kFibrePerThread = false;
void Acquire(void *) {}
void Release(void *) {}
#endif

std::atomic<uint32_t> order{0};

[[noreturn]] void Fail(const char *what) {
  std::fprintf(stderr, "CUDA emulation: %s\n", what);
  std::abort();
}

/** Where a fibre waits, for the counter there to move. */
struct Rendezvous {
  unsigned arrived = 0;
  unsigned generation = 0;
  /**
   * Orders the threads that meet, by even and odd generations, so that early comers to the next are not taken for
   * this one's.
   */
  char order[2];
};

struct Warp {
  Rendezvous meeting;
  unsigned mask = 0;
  uint64_t values[2][kWarp];
};

/** Where a fibre, or the scheduler, stands while another runs. */
struct Context {
  ucontext_t begin;
#if !defined(__SANITIZE_ADDRESS__) && !defined(EMULATION_FOR_TSAN)
  jmp_buf here;
  bool begun = false;
#endif
};

/** Stops one and goes on with another. */
void Switch(Context *from, Context *to) {
#if defined(__SANITIZE_ADDRESS__) || defined(EMULATION_FOR_TSAN)
  swapcontext(&from->begin, &to->begin);
#else
  // Contexts alone would do, with two system calls each time. Sanitizers do not see through jumps between stacks.
  if (_setjmp(from->here) != 0) return;
  from->begun = true;
  if (to->begun) _longjmp(to->here, 1);
  setcontext(&to->begin);
#endif
}

struct Fibre {
  Context context;
  void *stack = nullptr;
  Thread thread;
  unsigned number = 0;
  /** What it waits for, and the generation in which it came; null if it can run. */
  Rendezvous *waits_for = nullptr;
  unsigned since = 0;
#if defined(__SANITIZE_ADDRESS__)
  void *fake_stack = nullptr;
#endif
#if defined(EMULATION_FOR_TSAN)
  void *tsan = nullptr;
#endif
};

class Block {
 public:
  Block() {
#if defined(EMULATION_FOR_TSAN)
    scheduler_.tsan = __tsan_get_current_fiber();
#endif
  }

  ~Block() {
    for (const auto &fibre : fibres_) {
      munmap(fibre->stack, kStackBytes);
#if defined(EMULATION_FOR_TSAN)
      __tsan_destroy_fiber(fibre->tsan);
#endif
    }
  }

  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;

  void Run(dim3 grid, dim3 size, dim3 position, const std::function<void()> &body) {
    grid_ = grid;
    size_ = size;
    position_ = position;
    body_ = &body;
    threads_ = size.x * size.y * size.z;
    begun_ = ended_ = 0;
    first_ = order == 0 ? 0 : order * 7919u % threads_;
    warps_.assign((threads_ + kWarp - 1) / kWarp, Warp());
    barrier_ = Rendezvous();
    Release(&begin_);
    unsigned used = 0;
    while (begun_ < threads_) {
      if (used == fibres_.size()) fibres_.push_back(MakeFibre());
      Resume(fibres_[used++].get());
    }
    while (ended_ < threads_) {
      bool resumed = false;
      for (unsigned i = 0; i < used; ++i) {
        Fibre *fibre = fibres_[i].get();
        if (fibre->waits_for == nullptr || fibre->waits_for->generation == fibre->since) continue;
        resumed = true;
        Resume(fibre);
      }
      if (!resumed) Fail("threads of a block wait for others that have ended or wait elsewhere.");
    }
    Acquire(&end_);
  }

  const Fibre &running() const { return *running_; }

  void Barrier() {
    ++barrier_.arrived;
    Meet(&barrier_, barrier_.arrived == threads_ - ended_);
  }

  const uint64_t *Exchange(unsigned mask, uint64_t value) {
    const unsigned lane = running_->number % kWarp;
    Warp &warp = warps_[running_->number / kWarp];
    if ((mask >> lane & 1) == 0) Fail("a thread takes part in an exchange whose mask leaves it out.");
    if (warp.meeting.arrived == 0) warp.mask = mask;
    if (warp.mask != mask) Fail("threads of a warp meet with different masks.");
    // Those of the last exchange may still be read.
    uint64_t *values = warp.values[warp.meeting.generation % 2];
    values[lane] = value;
    ++warp.meeting.arrived;
    Meet(&warp.meeting, warp.meeting.arrived == static_cast<unsigned>(__builtin_popcount(mask & Existing(warp))));
    return values;
  }

 private:
  /** Lanes of a warp that the block's size leaves room for. */
  unsigned Existing(const Warp &warp) const {
    const auto before = static_cast<unsigned>(&warp - warps_.data()) * kWarp;
    return threads_ - before >= kWarp ? ~0u : (1u << (threads_ - before)) - 1;
  }

  void Meet(Rendezvous *place, bool complete) {
    const unsigned generation = place->generation;
    char *ordered = &place->order[generation % 2];
    Release(ordered);
    if (complete) {
      place->arrived = 0;
      ++place->generation;
    } else {
      Fibre *fibre = running_;
      fibre->waits_for = place;
      fibre->since = generation;
      Leave(fibre);
      fibre->waits_for = nullptr;
    }
    Acquire(ordered);
  }

  std::unique_ptr<Fibre> MakeFibre() {
    auto fibre = std::make_unique<Fibre>();
    fibre->stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fibre->stack == MAP_FAILED) Fail("no memory for a stack.");
    getcontext(&fibre->context.begin);
    fibre->context.begin.uc_stack.ss_sp = fibre->stack;
    fibre->context.begin.uc_stack.ss_size = kStackBytes;
    fibre->context.begin.uc_link = nullptr;
    const auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&fibre->context.begin, reinterpret_cast<void (*)()>(&Block::Main), 2, static_cast<unsigned>(self >> 32),
                static_cast<unsigned>(self));
#if defined(EMULATION_FOR_TSAN)
    fibre->tsan = __tsan_create_fiber(0);
#endif
    return fibre;
  }

  static void Main(unsigned high, unsigned low) {
    auto *block = reinterpret_cast<Block *>(static_cast<uintptr_t>(high) << 32 | low);
    Fibre *fibre = block->running_;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &block->host_stack_, &block->host_stack_size_);
#endif
    for (;;) {
      do {
        block->RunThread(fibre);
      } while (!kFibrePerThread && block->begun_ < block->threads_);
      block->Leave(fibre);
    }
  }

  void RunThread(Fibre *fibre) {
    const unsigned i = (first_ + begun_++) % threads_;
    fibre->number = i;
    fibre->thread.index = {i % size_.x, i / size_.x % size_.y, i / size_.x / size_.y};
    fibre->thread.block = position_;
    fibre->thread.block_size = size_;
    fibre->thread.grid_size = grid_;
    Acquire(&begin_);
    (*body_)();
    Release(&end_);
    ++ended_;
    // The barrier waits for those that have not ended.
    if (barrier_.arrived > 0 && barrier_.arrived == threads_ - ended_) {
      barrier_.arrived = 0;
      ++barrier_.generation;
    }
  }

  /** From the scheduler to a fibre, until that waits or finds no more threads. */
  void Resume(Fibre *fibre) {
    running_ = fibre;
#if defined(EMULATION_FOR_TSAN)
    __tsan_switch_to_fiber(fibre->tsan, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_.fake_stack, fibre->stack, kStackBytes);
#endif
    Switch(&scheduler_.context, &fibre->context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_.fake_stack, nullptr, nullptr);
#endif
    running_ = nullptr;
  }

  /** From a fibre back to the scheduler, until that resumes it. */
  void Leave(Fibre *fibre) {
#if defined(EMULATION_FOR_TSAN)
    __tsan_switch_to_fiber(scheduler_.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fibre->fake_stack, host_stack_, host_stack_size_);
#endif
    Switch(&fibre->context, &scheduler_.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fibre->fake_stack, &host_stack_, &host_stack_size_);
#endif
  }

  dim3 grid_;
  dim3 size_;
  dim3 position_;
  const std::function<void()> *body_ = nullptr;
  unsigned threads_ = 0;
  unsigned begun_ = 0;
  unsigned ended_ = 0;
  unsigned first_ = 0;
  Rendezvous barrier_;
  std::vector<Warp> warps_;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  Fibre scheduler_;
  Fibre *running_ = nullptr;
  char begin_ = 0;
  char end_ = 0;
#if defined(__SANITIZE_ADDRESS__)
  const void *host_stack_ = nullptr;
  size_t host_stack_size_ = 0;
#endif
};

Block &ThisBlock() {
  static thread_local Block block;
  return block;
}

}  // namespace

const Thread &CurrentThread() { return ThisBlock().running().thread; }
unsigned Lane() { return ThisBlock().running().number % kWarp; }
void Barrier() { ThisBlock().Barrier(); }
const uint64_t *Exchange(unsigned mask, uint64_t value) { return ThisBlock().Exchange(mask, value); }

void SetOrder(uint32_t seed) { order = seed; }

void RunKernel(dim3 grid, dim3 block, const std::function<void()> &body) {
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  // A step without a common divisor visits every block once.
  uint64_t step = order == 0 ? 1 : 1 + uint64_t{order} * 7919u % blocks;
  while (std::gcd(step, blocks) != 1) ++step;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t at = i * step % blocks;
    const dim3 position = {static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
                           static_cast<unsigned>(at / grid.x / grid.y)};
    ThisBlock().Run(grid, block, position, body);
  }
}

}  // namespace emulation
