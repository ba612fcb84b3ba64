/*
 * Candidates are known by keys: the logit's bits, made to rise with it, above those of the inverted index. No two are
 * equal; the best is greatest, ties included.
 *
 * Scan finds them all, mostly within the pool. Otherwise it counts them digit by digit until a lower bound is known,
 * above which Collect brings them.
 *
 * Rank puts the pool in order, and Suppress goes through it from the best to the worst.
 *
 * Compiled without fused multiply-adds (-fmad=false; -ffp-contract=off on the CPU), as boxes that overlap by exactly
 * the threshold occur and must be the reference's.
 */
#include "detections.h"
#include "launch.h"

namespace {

constexpr int kDigitBits = 12;
constexpr int kBins = 1 << kDigitBits;
constexpr int kScanThreads = 512;
constexpr int kBinsPerThread = kBins / kScanThreads;
/** Logits of which a thread asks for the next before it has seen the last. */
constexpr int kAhead = 4;
constexpr int kRankThreads = 256;
constexpr int kSuppressThreads = 512;
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffff;

using Key = unsigned long long;

/** What the kernels tell one another of a frame. All 0 before a run. */
struct State {
  /** Keys that are not below it are taken. */
  Key bound;
  /** Whether the bound is final. */
  unsigned settled;
  /** Candidates that are above the bound for sure. */
  unsigned above;
  unsigned found;
  /** Keys in the pool; the first scan counts on where they do not fit. */
  unsigned collected;
  unsigned not_finite;
  unsigned blocks_done;
  unsigned histogram[kBins];
};

/** One frame's part of everything. */
struct Frame {
  const float *regression;
  const float *logits;
  const float *thresholds;
  const float *postprocess;
  State *state;
  Key *pool;
  float4 *boxes;
  float *scores;
  int *classes;
  int *kept;
};

/** A wish, cut to 1…most. */
__device__ __forceinline__ unsigned Within(float wanted, int most) {
  return static_cast<unsigned>(max(1.0f, min(wanted, static_cast<float>(most))));
}

/** A launch's arguments, and where its workspace's parts lie. */
struct Batch {
  DetectionsShape shape;
  DetectionsInputs inputs;
  DetectionsOutputs outputs;
  State *states;
  Key *pools;
  float4 *boxes;
  float *scores;
  int *classes;
  int *kept;
  unsigned pool_size;
  /** Bits that the index of a logit takes. */
  int index_bits;

  __device__ Frame At(unsigned i) const {
    const size_t at = i;
    const size_t candidates = at * shape.candidates;
    return {inputs.box_regression + at * shape.anchors * 4,
            inputs.class_logits + at * shape.anchors * shape.classes,
            inputs.class_thresholds + at * shape.classes,
            inputs.postprocess + at * kPostprocessFields,
            states + at,
            pools + at * pool_size,
            boxes + candidates,
            scores + candidates,
            classes + candidates,
            kept + candidates};
  }
  __device__ unsigned Logits() const { return static_cast<unsigned>(shape.anchors) * shape.classes; }
  __device__ unsigned Limit(const Frame &frame) const {
    return Within(frame.postprocess[kPreNmsTopK], shape.candidates);
  }
};

__device__ __forceinline__ bool IsFinite(float x) { return (__float_as_uint(x) & 0x7f800000) != 0x7f800000; }

/** Bits of a number that are greater for greater numbers. */
__device__ __forceinline__ unsigned Ordered(float x) {
  // Both zeros are equal: the sum turns -0 to 0.
  const unsigned bits = __float_as_uint(x + 0.0f);
  return (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
}
__device__ __forceinline__ float FromOrdered(unsigned bits) {
  return __uint_as_float((bits & 0x80000000) != 0 ? bits & 0x7fffffff : ~bits);
}

__device__ __forceinline__ Key KeyOf(const Batch &batch, float logit, unsigned index) {
  const Key last = (Key{1} << batch.index_bits) - 1;
  return Key{Ordered(logit)} << batch.index_bits | (last - index);
}

/** The least of all classes' thresholds: most logits need not be compared with their own. For whole blocks. */
__device__ float LeastThreshold(const Batch &batch, const Frame &frame) {
  __shared__ float least_of_warp[kScanThreads / kWarp];
  const int thread = threadIdx.x;
  float least = INFINITY;
  for (int i = thread; i < batch.shape.classes; i += kScanThreads) least = min(least, frame.thresholds[i]);
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) least = min(least, __shfl_xor_sync(kAllLanes, least, lanes));
  if (thread % kWarp == 0) least_of_warp[thread / kWarp] = least;
  __syncthreads();
  for (float other : least_of_warp) least = min(least, other);
  return least;
}

/** Calls `seen` with every logit of the block's share, and `passed` with the key of each above its threshold. */
template <class Seen, class Passed>
__device__ void ForShare(const Batch &batch, const Frame &frame, Seen seen, Passed passed) {
  const float least = LeastThreshold(batch, frame);
  const unsigned total = batch.Logits();
  const unsigned step = gridDim.x * kScanThreads;
  for (size_t first = blockIdx.x * kScanThreads + threadIdx.x; first < total; first += size_t{kAhead} * step) {
    float logits[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const size_t at = first + size_t{step} * i;
      logits[i] = at < total ? frame.logits[at] : 0;
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const size_t at = first + size_t{step} * i;
      if (at >= total) break;
      seen(logits[i]);
      if (!(logits[i] > least)) continue;
      const auto index = static_cast<unsigned>(at);
      if (logits[i] > frame.thresholds[index % batch.shape.classes]) passed(KeyOf(batch, logits[i], index));
    }
  }
}

/**
 * From how many keys have which digit to a better bound. For a whole block, the last one of a scan.
 *
 * @param shift how many bits follow the digit
 */
__device__ void Settle(const Batch &batch, const Frame &frame, int level, int shift) {
  __shared__ unsigned from[kScanThreads + 1];
  State &state = *frame.state;
  const int thread = threadIdx.x;
  unsigned counts[kBinsPerThread];
  unsigned sum = 0;
#pragma unroll
  for (int i = 0; i < kBinsPerThread; ++i) {
    unsigned &bin = state.histogram[thread * kBinsPerThread + i];
    // Past the cache of this multiprocessor, which knows nothing of what others added.
    counts[i] = __ldcg(&bin);
    bin = 0;
    sum += counts[i];
  }
  // from[i]: keys in the bins of thread i and of all after it.
  from[thread] = sum;
  if (thread == 0) from[kScanThreads] = 0;
  __syncthreads();
  for (int step = 1; step < kScanThreads; step *= 2) {
    const unsigned more = thread + step < kScanThreads ? from[thread + step] : 0;
    __syncthreads();
    from[thread] += more;
    __syncthreads();
  }
  const unsigned above = state.above;
  const unsigned missing = batch.Limit(frame) - above;
  __syncthreads();
  if (thread == 0) state.blocks_done = 0;
  if (level == 0) {
    const bool finite = __ldcg(&state.not_finite) == 0;
    const bool fits = from[0] <= batch.pool_size;
    if (thread == 0) {
      state.found = from[0];
      if (!finite || !fits) state.collected = 0;
      if (!finite || fits) state.settled = 1;
    }
    if (!finite || fits) return;
  }
  // Down from the greatest digit, the one at which there are enough.
  if (from[thread] < missing || from[thread + 1] >= missing) return;
  unsigned taken = from[thread + 1];
#pragma unroll
  for (int i = kBinsPerThread - 1; i >= 0; --i) {
    if (taken >= missing) break;
    taken += counts[i];
    if (taken < missing) continue;
    state.bound |= static_cast<Key>(thread * kBinsPerThread + i) << shift;
    state.above = above + taken - counts[i];
    // With the last digit, keys are told apart and there are just enough.
    if (above + taken <= batch.pool_size) state.settled = 1;
  }
}

/**
 * Counts keys by a digit, among those that have the bound's digits before it. The first level also looks for what is
 * not finite, and fills the pool.
 */
__global__ void __launch_bounds__(kScanThreads) Scan(Batch batch, int level) {
  __shared__ unsigned histogram[kBins];
  __shared__ bool is_last;
  const Frame frame = batch.At(blockIdx.y);
  State &state = *frame.state;
  if (state.settled != 0) return;
  const int thread = threadIdx.x;
  for (int i = thread; i < kBins; i += kScanThreads) histogram[i] = 0;
  __syncthreads();

  const int bits = 32 + batch.index_bits - level * kDigitBits;
  const int shift = max(0, bits - kDigitBits);
  const Key prefix = state.bound >> bits;
  bool finite = true;
  bool fits = level == 0;
  ForShare(
      batch, frame, [&](float logit) { finite = finite && IsFinite(logit); },
      [&](Key key) {
        if (key >> bits != prefix) return;
        atomicAdd(&histogram[key >> shift & (kBins - 1)], 1u);
        if (!fits) return;
        const unsigned place = atomicAdd(&state.collected, 1u);
        fits = place < batch.pool_size;
        if (fits) frame.pool[place] = key;
      });
  if (level == 0) {
    const size_t step = gridDim.x * kScanThreads;
    for (size_t i = blockIdx.x * kScanThreads + thread; i < size_t{4} * batch.shape.anchors; i += step) {
      finite = finite && IsFinite(frame.regression[i]);
    }
    if (!finite) atomicOr(&state.not_finite, 1u);
  }

  __syncthreads();
  for (int i = thread; i < kBins; i += kScanThreads) {
    if (histogram[i] != 0) atomicAdd(&state.histogram[i], histogram[i]);
  }
  // What this block added must be there before it says that it has done so.
  __threadfence();
  __syncthreads();
  if (thread == 0) is_last = atomicAdd(&state.blocks_done, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  Settle(batch, frame, level, shift);
}

/** Fills the pool with the keys that are not below the bound, unless the first scan did. */
__global__ void __launch_bounds__(kScanThreads) Collect(Batch batch) {
  const Frame frame = batch.At(blockIdx.y);
  State &state = *frame.state;
  if (state.found <= batch.pool_size || state.not_finite != 0) return;
  const Key bound = state.bound;
  ForShare(
      batch, frame, [](float) {},
      [&](Key key) {
        if (key >= bound) frame.pool[atomicAdd(&state.collected, 1u)] = key;
      });
}

/** Turns a regression into corners (lib/postprocess/boxes.ts), in float64, of which there is little. */
__device__ float4 Decode(const float *regression, const float *anchor) {
  const double height = anchor[2];
  const double width = anchor[3];
  const double y = regression[0] * height + anchor[0];
  const double x = regression[1] * width + anchor[1];
  const double half_height = exp(static_cast<double>(regression[2])) * height / 2;
  const double half_width = exp(static_cast<double>(regression[3])) * width / 2;
  return make_float4(static_cast<float>(x - half_width), static_cast<float>(y - half_height),
                     static_cast<float>(x + half_width), static_cast<float>(y + half_height));
}

/** Counts for each key how many are greater, which is its place. */
__global__ void __launch_bounds__(kRankThreads) Rank(Batch batch) {
  __shared__ Key others[kRankThreads];
  const Frame frame = batch.At(blockIdx.y);
  const unsigned count = frame.state->collected;
  if (blockIdx.x * kRankThreads >= count) return;
  const unsigned thread = threadIdx.x;
  const unsigned own = blockIdx.x * kRankThreads + thread;
  const Key key = own < count ? frame.pool[own] : 0;
  unsigned place = 0;
  for (unsigned first = 0; first < count; first += kRankThreads) {
    __syncthreads();
    others[thread] = first + thread < count ? frame.pool[first + thread] : 0;
    __syncthreads();
#pragma unroll 8
    for (int i = 0; i < kRankThreads; ++i) place += others[i] > key ? 1 : 0;
  }
  if (own >= count || place >= batch.Limit(frame)) return;
  const Key last = (Key{1} << batch.index_bits) - 1;
  const auto index = static_cast<unsigned>(last - (key & last));
  const size_t anchor = index / batch.shape.classes;
  frame.classes[place] = static_cast<int>(index % batch.shape.classes);
  const double logit = FromOrdered(static_cast<unsigned>(key >> batch.index_bits));
  frame.scores[place] = static_cast<float>(1 / (1 + exp(-logit)));
  frame.boxes[place] = Decode(frame.regression + 4 * anchor, batch.inputs.anchors + 4 * anchor);
}

__device__ __forceinline__ double AreaOf(const float4 &box) {
  return (static_cast<double>(box.z) - box.x) * (static_cast<double>(box.w) - box.y);
}

/** Whether intersection over union exceeds a threshold. */
__device__ __forceinline__ bool Overlap(const float4 &a, const float4 &b, double threshold) {
  const double width = static_cast<double>(min(a.z, b.z)) - max(a.x, b.x);
  const double height = static_cast<double>(min(a.w, b.w)) - max(a.y, b.y);
  if (width <= 0 || height <= 0) return false;
  const double intersection = width * height;
  // Divisions take many times as long. One would decide otherwise only within 1e-16 of the threshold, not at it.
  return intersection > threshold * (AreaOf(a) + AreaOf(b) - intersection);
}

/** The first candidate from one on that nothing has dropped, or `count`. */
__device__ unsigned NextKept(const unsigned *dropped, unsigned from, unsigned count) {
  while (from < count) {
    const unsigned kept = ~dropped[from / 32] >> from % 32;
    if (kept != 0) return min(count, from + __ffs(static_cast<int>(kept)) - 1);
    from = from / 32 * 32 + 32;
  }
  return count;
}

/** Input to source pixels, within the image. */
__device__ __forceinline__ float ToSource(float coordinate, double scale, float end) {
  const double at = coordinate / scale;
  return static_cast<float>(at > 0 ? at < end ? at : end : 0);
}

/** Hard non-maximum suppression and what is left of it, one block for each frame. */
__global__ void __launch_bounds__(kSuppressThreads) Suppress(Batch batch) {
  __shared__ unsigned dropped[kMaxCandidates / 32];
  __shared__ unsigned visible_of_warp[kSuppressThreads / kWarp];
  const Frame frame = batch.At(blockIdx.x);
  const State &state = *frame.state;
  const float *postprocess = frame.postprocess;
  const unsigned thread = threadIdx.x;
  const unsigned limit = batch.Limit(frame);
  const unsigned count = min(limit, state.collected);
  const unsigned most = Within(postprocess[kMaxDetections], batch.shape.detections);
  const bool agnostic = postprocess[kAgnostic] != 0;
  const double iou_threshold = postprocess[kIouThreshold];
  for (unsigned i = thread; i < (count + 31) / 32; i += kSuppressThreads) dropped[i] = 0;
  __syncthreads();

  unsigned kept = 0;
  bool capped = false;
  for (unsigned best = NextKept(dropped, 0, count); best < count; best = NextKept(dropped, best + 1, count)) {
    if (kept == most) {
      capped = true;
      break;
    }
    // Nobody drops any before all have looked.
    __syncthreads();
    if (thread == 0) frame.kept[kept] = static_cast<int>(best);
    ++kept;
    const float4 box = frame.boxes[best];
    const int box_class = frame.classes[best];
    for (unsigned i = best + 1 + thread; i < count; i += kSuppressThreads) {
      if (!agnostic && frame.classes[i] != box_class) continue;
      if (Overlap(frame.boxes[i], box, iou_threshold)) atomicOr(&dropped[i / 32], 1u << i % 32);
    }
    __syncthreads();
  }

  const double scale = static_cast<double>(postprocess[kScale]) + postprocess[kScaleRemainder];
  const float width = postprocess[kSourceWidth];
  const float height = postprocess[kSourceHeight];
  const size_t row_values = kDetectionFields;
  float *detections = batch.outputs.detections + blockIdx.x * row_values * batch.shape.detections;
  unsigned written = 0;
  for (unsigned first = 0; first < kept; first += kSuppressThreads) {
    float4 box = make_float4(0, 0, 0, 0);
    unsigned candidate = 0;
    if (first + thread < kept) {
      candidate = static_cast<unsigned>(frame.kept[first + thread]);
      box = frame.boxes[candidate];
      box = make_float4(ToSource(box.x, scale, width), ToSource(box.y, scale, height), ToSource(box.z, scale, width),
                        ToSource(box.w, scale, height));
    }
    // Nothing is left of boxes that lie in the letterbox's margin.
    const bool visible = box.x < box.z && box.y < box.w;
    const unsigned votes = __ballot_sync(kAllLanes, visible);
    if (thread % kWarp == 0) visible_of_warp[thread / kWarp] = static_cast<unsigned>(__popc(votes));
    __syncthreads();
    unsigned place = written + static_cast<unsigned>(__popc(votes & ((1u << thread % kWarp) - 1)));
    for (unsigned warp = 0; warp < kSuppressThreads / kWarp; ++warp) {
      if (warp < thread / kWarp) place += visible_of_warp[warp];
      written += visible_of_warp[warp];
    }
    if (visible) {
      float *row = detections + place * row_values;
      row[0] = box.x;
      row[1] = box.y;
      row[2] = box.z;
      row[3] = box.w;
      row[4] = frame.scores[candidate];
      row[5] = static_cast<float>(frame.classes[candidate]);
    }
    __syncthreads();
  }
  for (size_t i = written * row_values + thread; i < batch.shape.detections * row_values; i += kSuppressThreads) {
    detections[i] = 0;
  }
  if (thread == 0) {
    int32_t *counts = batch.outputs.counts + blockIdx.x * kCountFields;
    const bool finite = state.not_finite == 0;
    counts[kCount] = static_cast<int32_t>(written);
    counts[kCandidatesCapped] = finite && state.found > limit ? 1 : 0;
    counts[kDetectionsCapped] = capped ? 1 : 0;
    counts[kNotFinite] = finite ? 0 : 1;
  }
}

/** Lays parts of the workspace one after another. */
class Layout {
 public:
  explicit Layout(void *begin) : begin_(static_cast<char *>(begin)) {}

  template <class Part>
  Part *Take(size_t count) {
    auto *part = reinterpret_cast<Part *>(begin_ + used_);
    used_ += (count * sizeof(Part) + 255) / 256 * 256;
    return part;
  }
  size_t used() const { return used_; }

 private:
  char *begin_;
  size_t used_ = 0;
};

Batch LayOut(size_t batch, const DetectionsShape &shape, Layout &layout) {
  Batch result{};
  result.shape = shape;
  // Room for more than the limit ends the search for the bound early.
  result.pool_size = 2 * static_cast<unsigned>(shape.candidates);
  while (int64_t{1} << result.index_bits < int64_t{shape.anchors} * shape.classes) ++result.index_bits;
  const size_t candidates = batch * static_cast<size_t>(shape.candidates);
  result.states = layout.Take<State>(batch);
  result.pools = layout.Take<Key>(batch * result.pool_size);
  result.boxes = layout.Take<float4>(candidates);
  result.scores = layout.Take<float>(candidates);
  result.classes = layout.Take<int>(candidates);
  result.kept = layout.Take<int>(candidates);
  return result;
}

}  // namespace

size_t DetectionsWorkspace(int32_t batch, const DetectionsShape &shape) {
  Layout layout(nullptr);
  LayOut(static_cast<size_t>(batch), shape, layout);
  return layout.used();
}

cudaError_t LaunchDetections(cudaStream_t stream, int32_t batch, const DetectionsShape &shape,
                             const DetectionsInputs &inputs, const DetectionsOutputs &outputs, void *workspace) {
  Layout layout(workspace);
  Batch all = LayOut(static_cast<size_t>(batch), shape, layout);
  all.inputs = inputs;
  all.outputs = outputs;
  const auto frames = static_cast<unsigned>(batch);
  cudaError_t error = cudaMemsetAsync(all.states, 0, frames * sizeof(State), stream);
  // A block's share is worth its histogram, and more blocks than devices run at a time gain nothing.
  const int64_t logits = int64_t{shape.anchors} * shape.classes;
  const int64_t shares = (logits + 16383) / 16384;
  const dim3 grid(static_cast<unsigned>(shares < 1024 ? shares : 1024), frames);
  for (int level = 0; error == cudaSuccess && level * kDigitBits < 32 + all.index_bits; ++level) {
    error = Launch(Scan, grid, dim3(kScanThreads), stream, all, level);
  }
  if (error == cudaSuccess) error = Launch(Collect, grid, dim3(kScanThreads), stream, all);
  const unsigned rank_blocks = (all.pool_size + kRankThreads - 1) / kRankThreads;
  if (error == cudaSuccess) error = Launch(Rank, dim3(rank_blocks, frames), dim3(kRankThreads), stream, all);
  if (error == cudaSuccess) error = Launch(Suppress, dim3(frames), dim3(kSuppressThreads), stream, all);
  return error;
}
