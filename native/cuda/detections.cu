/*
 * Candidates are known by keys: the logit's bits, made to rise with it, above those of the inverted index. No two are
 * equal; the best is greatest, ties included.
 *
 * Scan finds them all, mostly within the pool. Otherwise it counts them digit by digit until a lower bound is known,
 * above which Collect brings them.
 *
 * Rank puts the pool in order. Overlaps compares each pair on the whole device, and Suppress goes through what it
 * found, from the best to the worst.
 *
 * Compiled without fused multiply-adds (-fmad=false; -ffp-contract=off on the CPU), as boxes that overlap by exactly
 * the threshold occur and must be the reference's.
 */
#include <cuda_fp16.h>

#include "detections.h"
#include "launch.h"

namespace {

constexpr int kDigitBits = 12;
constexpr int kBins = 1 << kDigitBits;
constexpr int kScanThreads = 512;
constexpr int kBinsPerThread = kBins / kScanThreads;
/** Vectors of which a thread asks for the next before it has seen the last. */
constexpr int kAhead = 4;
constexpr int kRankThreads = 256;
/** Threads that share a key, to spread the pool over more blocks. */
constexpr int kRankParts = 4;
constexpr int kSuppressThreads = 256;
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffff;
/** Candidates whose overlaps are the bits of a word. */
constexpr unsigned kGroup = 64;
/** Candidates that are compared each with each at a time, a multiple of kGroup: it bounds the workspace. */
constexpr unsigned kChunk = 8192;
constexpr unsigned kMaxGroups = kChunk / kGroup;
static_assert(kSuppressThreads % kMaxGroups == 0, "each group has its threads");
/** Threads that all multiprocessors have room for, and so many blocks of a scan; without, registers are spilled. */
constexpr int kThreadsAtATime = 1024;
constexpr int kScansAtATime = kThreadsAtATime / kScanThreads;

/** The greatest finite number. */
constexpr float kLargest = 3.4028234663852886e38f;

using Key = unsigned long long;
/** A bit for each candidate of a group. */
using Bits = unsigned long long;

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
  /** Boxes that suppression has kept, of those the ones of earlier chunks, and whether it wanted more. */
  unsigned kept;
  unsigned kept_before;
  unsigned capped;
  unsigned histogram[kBins];
};

/** One frame's part of everything but the heads. */
struct Frame {
  unsigned number;
  const float *thresholds;
  const float *postprocess;
  State *state;
  /** Bits of candidates that earlier chunks have dropped. */
  unsigned *dropped;
  Key *pool;
  float4 *boxes;
  float *scores;
  int *classes;
  int *kept;
  Bits *overlaps;
};

/** A wish, cut to 1…most. */
__device__ __forceinline__ unsigned Within(float wanted, int most) {
  return static_cast<unsigned>(max(1.0f, min(wanted, static_cast<float>(most))));
}

/** Vectors of one head: all levels in a row. */
struct Head {
  const uint4 *levels[kMaxLevels];
  /** Where each level's vectors of one frame end among all of them. */
  unsigned ends[kMaxLevels];
  /** Vectors of a cell, and values of it that count. */
  unsigned row;
  unsigned values;
};

/** A launch's arguments, and where its workspace's parts lie. */
struct Batch {
  DetectionsShape shape;
  Head boxes_head;
  Head logits_head;
  const float *anchors;
  const float *class_thresholds;
  const float *postprocess;
  DetectionsOutputs outputs;
  State *states;
  unsigned *dropped;
  Key *pools;
  float4 *boxes;
  float *scores;
  int *classes;
  int *kept;
  Bits *overlaps;
  /** Sizes of one frame's parts. */
  unsigned pool_size;
  unsigned dropped_words;
  unsigned overlap_words;
  /** Bits that a logit and its index take in a key. */
  int value_bits;
  int index_bits;

  __device__ Frame At(unsigned i) const {
    const size_t at = i;
    const size_t candidates = at * shape.candidates;
    return {i,
            class_thresholds + at * shape.classes,
            postprocess + at * kPostprocessFields,
            states + at,
            dropped + at * dropped_words,
            pools + at * pool_size,
            boxes + candidates,
            scores + candidates,
            classes + candidates,
            kept + candidates,
            overlaps + at * overlap_words};
  }
  __device__ unsigned Limit(const Frame &frame) const {
    return Within(frame.postprocess[kPreNmsTopK], shape.candidates);
  }
  /** Candidates that enter suppression. */
  __device__ unsigned Count(const Frame &frame) const { return min(Limit(frame), frame.state->collected); }
};

/* --- Values of the heads ---------------------------------------------------------------------------------------- */

/** How values of a type lie in vectors, and how their bits become numbers and keys. */
template <HeadType kType>
struct Values {
  static constexpr int kBits = 8 * BytesOf(kType);
  static constexpr int kLanes = kHeadVector / BytesOf(kType);

  static __device__ __forceinline__ unsigned BitsAt(const uint4 &vector, int lane) {
    const unsigned words[4] = {vector.x, vector.y, vector.z, vector.w};
    if (kType == kHeadFloat32) return words[lane];
    return words[lane / 2] >> (16 * (lane % 2)) & 0xffff;
  }
  static __device__ __forceinline__ float Number(unsigned bits) {
    if (kType == kHeadFloat32) return __uint_as_float(bits);
    if (kType == kHeadBfloat16) return __uint_as_float(bits << 16);
    return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
  }
};

__device__ __forceinline__ unsigned SignBit(int value_bits) { return 1u << (value_bits - 1); }

/** Bits of a number that are greater for greater numbers. */
__device__ __forceinline__ unsigned Ordered(unsigned bits, int value_bits) {
  const unsigned sign = SignBit(value_bits);
  // Both zeros are equal.
  if (bits == sign) return sign;
  return (bits & sign) != 0 ? ~bits & (sign | (sign - 1)) : bits | sign;
}
__device__ __forceinline__ unsigned FromOrdered(unsigned ordered, int value_bits) {
  const unsigned sign = SignBit(value_bits);
  return (ordered & sign) != 0 ? ordered & ~sign : ~ordered & (sign | (sign - 1));
}

/** Number of the type that a batch has. */
__device__ __forceinline__ float NumberOf(HeadType type, unsigned bits) {
  return type == kHeadFloat32   ? Values<kHeadFloat32>::Number(bits)
         : type == kHeadFloat16 ? Values<kHeadFloat16>::Number(bits)
                                : Values<kHeadBfloat16>::Number(bits);
}

/** A vector's place. */
struct Place {
  int level;
  /** Within the level's frame. */
  unsigned vector;
};

__device__ __forceinline__ Place PlaceOf(const Batch &batch, const Head &head, unsigned at) {
  Place place{0, at};
#pragma unroll
  for (int level = 1; level < kMaxLevels; ++level) {
    if (level >= batch.shape.levels || at < head.ends[level - 1]) break;
    place = {level, at - head.ends[level - 1]};
  }
  return place;
}

__device__ __forceinline__ unsigned EndOf(const Batch &batch, const Head &head) {
  return head.ends[batch.shape.levels - 1];
}

__device__ __forceinline__ uint4 Load(const Batch &batch, const Head &head, const Frame &frame, unsigned at) {
  const Place place = PlaceOf(batch, head, at);
  const size_t of_frame = static_cast<size_t>(batch.shape.cells[place.level]) * head.row;
  return head.levels[place.level][frame.number * of_frame + place.vector];
}

/** Calls `seen` with the block's share of a frame's vectors, and the number of each. */
template <class Seen>
__device__ __forceinline__ void ForVectors(const Batch &batch, const Head &head, const Frame &frame, Seen seen) {
  const unsigned total = EndOf(batch, head);
  const unsigned step = gridDim.x * kScanThreads;
  for (size_t first = blockIdx.x * kScanThreads + threadIdx.x; first < total; first += size_t{kAhead} * step) {
    uint4 vectors[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const size_t at = first + size_t{step} * i;
      if (at < total) vectors[i] = Load(batch, head, frame, static_cast<unsigned>(at));
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const size_t at = first + size_t{step} * i;
      if (at < total) seen(vectors[i], static_cast<unsigned>(at));
    }
  }
}

__device__ __forceinline__ bool IsFinite(float x) { return (__float_as_uint(x) & 0x7f800000) != 0x7f800000; }

/** Whether all values of a vector are finite and none is above a number. */
template <HeadType kType>
__device__ __forceinline__ bool IsQuiet(const uint4 &vector, float most) {
  bool quiet = true;
#pragma unroll
  for (int lane = 0; lane < Values<kType>::kLanes; ++lane) {
    const float number = Values<kType>::Number(Values<kType>::BitsAt(vector, lane));
    // No comparison is true of NaN.
    quiet = quiet && number <= most && number >= -kLargest;
  }
  return quiet;
}

/** Calls `value` with the number of each value of a vector that counts, among all of its head, and its bits. */
template <HeadType kType, class Value>
__device__ __forceinline__ void ForValues(const Batch &batch, const Head &head, const uint4 &vector, unsigned at,
                                          Value value) {
  const Place place = PlaceOf(batch, head, at);
  const unsigned before = place.level == 0 ? 0 : head.ends[place.level - 1] / head.row;
  const unsigned cell = place.vector / head.row;
  const unsigned channel = place.vector % head.row * Values<kType>::kLanes;
#pragma unroll
  for (int lane = 0; lane < Values<kType>::kLanes; ++lane) {
    if (channel + lane >= head.values) break;
    value((before + cell) * head.values + channel + lane, Values<kType>::BitsAt(vector, lane));
  }
}

/* --- Candidates ------------------------------------------------------------------------------------------------- */

/** The least of all classes' thresholds: most logits need not be compared with their own. For whole blocks. */
__device__ float LeastThreshold(const Batch &batch, const Frame &frame) {
  __shared__ float least_of_warp[kScanThreads / kWarp];
  const int thread = threadIdx.x;
  float least = kLargest;
  for (int i = thread; i < batch.shape.classes; i += kScanThreads) least = min(least, frame.thresholds[i]);
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) least = min(least, __shfl_xor_sync(kAllLanes, least, lanes));
  if (thread % kWarp == 0) least_of_warp[thread / kWarp] = least;
  __syncthreads();
  for (float other : least_of_warp) least = min(least, other);
  return least;
}

/** Calls `passed` with the key of each logit above its threshold in the block's share. Returns whether all are finite.
 */
template <HeadType kType, class Passed>
__device__ bool ForShare(const Batch &batch, const Frame &frame, Passed passed) {
  const float least = LeastThreshold(batch, frame);
  const Key last = (Key{1} << batch.index_bits) - 1;
  const Head &head = batch.logits_head;
  bool finite = true;
  ForVectors(batch, head, frame, [&](const uint4 &vector, unsigned at) {
    if (IsQuiet<kType>(vector, least)) return;
    ForValues<kType>(batch, head, vector, at, [&](unsigned index, unsigned bits) {
      const float logit = Values<kType>::Number(bits);
      finite = finite && IsFinite(logit);
      if (!(logit > least) || !(logit > frame.thresholds[index % batch.shape.classes])) return;
      passed(Key{Ordered(bits, Values<kType>::kBits)} << batch.index_bits | (last - index));
    });
  });
  return finite;
}

/** Whether all regressions of the block's share are finite. */
template <HeadType kType>
__device__ bool AreBoxesFinite(const Batch &batch, const Frame &frame) {
  const Head &head = batch.boxes_head;
  bool finite = true;
  ForVectors(batch, head, frame, [&](const uint4 &vector, unsigned at) {
    if (IsQuiet<kType>(vector, kLargest)) return;
    ForValues<kType>(batch, head, vector, at,
                     [&](unsigned, unsigned bits) { finite = finite && IsFinite(Values<kType>::Number(bits)); });
  });
  return finite;
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
template <HeadType kType>
__global__ void __launch_bounds__(kScanThreads, kScansAtATime) Scan(Batch batch, int level) {
  __shared__ unsigned histogram[kBins];
  __shared__ bool is_last;
  const Frame frame = batch.At(blockIdx.y);
  State &state = *frame.state;
  if (state.settled != 0) return;
  const int thread = threadIdx.x;
  for (int i = thread; i < kBins; i += kScanThreads) histogram[i] = 0;
  __syncthreads();

  const int bits = batch.value_bits + batch.index_bits - level * kDigitBits;
  const int shift = max(0, bits - kDigitBits);
  const Key prefix = state.bound >> bits;
  bool fits = level == 0;
  bool finite = ForShare<kType>(batch, frame, [&](Key key) {
    if (key >> bits != prefix) return;
    atomicAdd(&histogram[key >> shift & (kBins - 1)], 1u);
    if (!fits) return;
    const unsigned place = atomicAdd(&state.collected, 1u);
    fits = place < batch.pool_size;
    if (fits) frame.pool[place] = key;
  });
  if (level == 0) {
    finite = AreBoxesFinite<kType>(batch, frame) && finite;
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
template <HeadType kType>
__global__ void __launch_bounds__(kScanThreads, kScansAtATime) Collect(Batch batch) {
  const Frame frame = batch.At(blockIdx.y);
  State &state = *frame.state;
  if (state.found <= batch.pool_size || state.not_finite != 0) return;
  const Key bound = state.bound;
  ForShare<kType>(batch, frame, [&](Key key) {
    if (key >= bound) frame.pool[atomicAdd(&state.collected, 1u)] = key;
  });
}

/* --- Boxes ------------------------------------------------------------------------------------------------------ */

/** An anchor's regression: ty, tx, th, tw. */
__device__ __forceinline__ float4 RegressionOf(const Batch &batch, const Frame &frame, unsigned anchor) {
  const Head &head = batch.boxes_head;
  const unsigned cell = anchor / batch.shape.anchors_per_cell;
  const unsigned first = 4 * (anchor % batch.shape.anchors_per_cell);
  const unsigned lanes = batch.shape.type == kHeadFloat32 ? 4 : 8;
  // Four values never leave a vector.
  const uint4 vector = Load(batch, head, frame, cell * head.row + first / lanes);
  if (batch.shape.type == kHeadFloat32) {
    return make_float4(__uint_as_float(vector.x), __uint_as_float(vector.y), __uint_as_float(vector.z),
                       __uint_as_float(vector.w));
  }
  const unsigned low = first % lanes == 0 ? vector.x : vector.z;
  const unsigned high = first % lanes == 0 ? vector.y : vector.w;
  const auto number = [&](unsigned bits) { return NumberOf(batch.shape.type, bits & 0xffff); };
  return make_float4(number(low), number(low >> 16), number(high), number(high >> 16));
}

/** Turns a regression into corners (lib/postprocess/boxes.ts), in float64, for candidates alone. */
__device__ __noinline__ float4 Decode(float4 regression, const float *anchor) {
  const double height = anchor[2];
  const double width = anchor[3];
  const double y = regression.x * height + anchor[0];
  const double x = regression.y * width + anchor[1];
  const double half_height = exp(static_cast<double>(regression.z)) * height / 2;
  const double half_width = exp(static_cast<double>(regression.w)) * width / 2;
  return make_float4(static_cast<float>(x - half_width), static_cast<float>(y - half_height),
                     static_cast<float>(x + half_width), static_cast<float>(y + half_height));
}

__device__ __noinline__ float ScoreOf(float logit) {
  return static_cast<float>(1 / (1 + exp(-static_cast<double>(logit))));
}

/** Counts for each key how many are greater, which is its place. */
__global__ void __launch_bounds__(kRankThreads) Rank(Batch batch) {
  __shared__ Key others[kRankThreads];
  constexpr unsigned kKeys = kRankThreads / kRankParts;
  const Frame frame = batch.At(blockIdx.y);
  const unsigned count = frame.state->collected;
  const unsigned thread = threadIdx.x;
  const unsigned part = thread % kRankParts;
  for (unsigned begin = blockIdx.x * kKeys; begin < count; begin += gridDim.x * kKeys) {
    const unsigned own = begin + thread / kRankParts;
    const Key key = own < count ? frame.pool[own] : 0;
    unsigned place = 0;
    for (unsigned first = 0; first < count; first += kRankThreads) {
      __syncthreads();
      others[thread] = first + thread < count ? frame.pool[first + thread] : 0;
      __syncthreads();
#pragma unroll 8
      for (unsigned i = part; i < kRankThreads; i += kRankParts) place += others[i] > key ? 1 : 0;
    }
    for (int lanes = kRankParts / 2; lanes > 0; lanes /= 2) place += __shfl_xor_sync(kAllLanes, place, lanes);
    if (part != 0 || own >= count || place >= batch.Limit(frame)) continue;
    const Key last = (Key{1} << batch.index_bits) - 1;
    const auto index = static_cast<unsigned>(last - (key & last));
    const unsigned anchor = index / batch.shape.classes;
    const unsigned bits = FromOrdered(static_cast<unsigned>(key >> batch.index_bits), batch.value_bits);
    frame.classes[place] = static_cast<int>(index % batch.shape.classes);
    frame.scores[place] = ScoreOf(NumberOf(batch.shape.type, bits));
    frame.boxes[place] = Decode(RegressionOf(batch, frame, anchor), batch.anchors + 4 * size_t{anchor});
  }
}

/* --- Suppression ------------------------------------------------------------------------------------------------ */

/** Float32's rounding of both sides of the comparison stays within so much of the limit, by a wide margin. */
constexpr float kBand = 1.0f / (1 << 19);
/** What products that are no normal numbers may lose, by a wide margin. */
constexpr float kLeastBand = 1e-42f;

__device__ __forceinline__ double ExactAreaOf(const float4 &box) {
  return (static_cast<double>(box.z) - box.x) * (static_cast<double>(box.w) - box.y);
}

/** Whether intersection over union exceeds a threshold, of two boxes that intersect. */
__device__ __noinline__ bool OverlapsExactly(float4 a, float4 b, float threshold) {
  const double width = static_cast<double>(min(a.z, b.z)) - max(a.x, b.x);
  const double height = static_cast<double>(min(a.w, b.w)) - max(a.y, b.y);
  const double intersection = width * height;
  // Divisions take many times as long. One would decide otherwise only within 1e-16 of the threshold, not at it.
  return intersection > threshold * (ExactAreaOf(a) + ExactAreaOf(b) - intersection);
}

__device__ __forceinline__ float AreaOf(const float4 &box) { return (box.z - box.x) * (box.w - box.y); }

/** The same of any two boxes, in float32 unless that might decide otherwise. */
__device__ __forceinline__ bool Overlap(const float4 &a, float area_a, const float4 &b, float area_b, float threshold) {
  const float left = max(a.x, b.x);
  const float top = max(a.y, b.y);
  const float right = min(a.z, b.z);
  const float bottom = min(a.w, b.w);
  if (right <= left || bottom <= top) return false;
  const float intersection = (right - left) * (bottom - top);
  const float all = area_a + area_b - intersection;
  const float limit = threshold * all;
  const float slack = limit * kBand + kLeastBand;
  // What overflows is for float64.
  if (all <= kLargest) {
    if (intersection > limit + slack) return true;
    if (intersection < limit - slack) return false;
  }
  return OverlapsExactly(a, b, threshold);
}

/** Candidates of a chunk: where they begin, how many there are, and in how many groups. */
struct Chunk {
  unsigned begin;
  unsigned count;
  unsigned groups;
};

__device__ __forceinline__ Chunk ChunkOf(const Batch &batch, const Frame &frame, unsigned number) {
  const unsigned begin = number * kChunk;
  const unsigned all = batch.Count(frame);
  const unsigned count = all > begin ? min(all - begin, kChunk) : 0;
  return {begin, count, (count + kGroup - 1) / kGroup};
}

/** Where the words begin that a group's candidates have: each a word of its own group, then of all after it. */
__device__ __forceinline__ unsigned WordsOf(unsigned group, unsigned groups) {
  return kGroup * (group * groups - group * (group - 1) / 2);
}

/** Finds which later candidates of a chunk each of its candidates would drop. A block takes two groups at a time. */
__global__ void __launch_bounds__(kGroup) Overlaps(Batch batch, unsigned number) {
  __shared__ float4 boxes[kGroup];
  __shared__ float areas[kGroup];
  __shared__ int classes[kGroup];
  const Frame frame = batch.At(blockIdx.y);
  const Chunk chunk = ChunkOf(batch, frame, number);
  if (frame.state->capped != 0) return;
  const bool agnostic = frame.postprocess[kAgnostic] != 0;
  const float threshold = frame.postprocess[kIouThreshold];
  const unsigned thread = threadIdx.x;
  for (unsigned pair = blockIdx.x; pair < chunk.groups * chunk.groups; pair += gridDim.x) {
    const unsigned group = pair / chunk.groups;
    const unsigned other = pair % chunk.groups;
    // The same for all threads of the block.
    if (other < group) continue;
    const unsigned own = group * kGroup + thread;
    const unsigned first = other * kGroup;
    const unsigned others = min(kGroup, chunk.count - first);
    __syncthreads();
    if (thread < others) {
      const unsigned at = chunk.begin + first + thread;
      boxes[thread] = frame.boxes[at];
      areas[thread] = AreaOf(boxes[thread]);
      classes[thread] = frame.classes[at];
    }
    __syncthreads();
    if (own >= chunk.count) continue;
    const float4 box = frame.boxes[chunk.begin + own];
    const float area = AreaOf(box);
    const int box_class = frame.classes[chunk.begin + own];
    Bits bits = 0;
    for (unsigned i = group == other ? thread + 1 : 0; i < others; ++i) {
      if (!agnostic && classes[i] != box_class) continue;
      if (Overlap(boxes[i], areas[i], box, area, threshold)) bits |= Bits{1} << i;
    }
    frame.overlaps[WordsOf(group, chunk.groups) + thread * (chunk.groups - group) + (other - group)] = bits;
  }
}

/** Input to source pixels, within the image. */
__device__ __noinline__ float ToSource(float coordinate, float scale, float remainder, float end) {
  const double at = coordinate / (static_cast<double>(scale) + remainder);
  return static_cast<float>(at > 0 ? at < end ? at : end : 0);
}

/** Writes what suppression has left of a frame. For whole blocks. */
__device__ void WriteDetections(const Batch &batch, const Frame &frame, unsigned kept, bool capped) {
  __shared__ unsigned visible_of_warp[kSuppressThreads / kWarp];
  const State &state = *frame.state;
  const float *postprocess = frame.postprocess;
  const unsigned thread = threadIdx.x;
  const float scale = postprocess[kScale];
  const float remainder = postprocess[kScaleRemainder];
  const float width = postprocess[kSourceWidth];
  const float height = postprocess[kSourceHeight];
  const size_t row_values = kDetectionFields;
  float *detections = batch.outputs.detections + frame.number * row_values * batch.shape.detections;
  unsigned written = 0;
  for (unsigned first = 0; first < kept; first += kSuppressThreads) {
    float4 box = make_float4(0, 0, 0, 0);
    unsigned candidate = 0;
    if (first + thread < kept) {
      candidate = static_cast<unsigned>(frame.kept[first + thread]);
      box = frame.boxes[candidate];
      box = make_float4(ToSource(box.x, scale, remainder, width), ToSource(box.y, scale, remainder, height),
                        ToSource(box.z, scale, remainder, width), ToSource(box.w, scale, remainder, height));
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
    int32_t *counts = batch.outputs.counts + frame.number * kCountFields;
    const bool finite = state.not_finite == 0;
    counts[kCount] = static_cast<int32_t>(written);
    counts[kCandidatesCapped] = finite && state.found > batch.Limit(frame) ? 1 : 0;
    counts[kDetectionsCapped] = capped ? 1 : 0;
    counts[kNotFinite] = finite ? 0 : 1;
  }
}

/**
 * Hard non-maximum suppression of a chunk, one block for each frame: group by group, first within it, then what it
 * keeps drops of all after it.
 */
__global__ void __launch_bounds__(kSuppressThreads) Suppress(Batch batch, unsigned number, bool is_last) {
  __shared__ Bits dropped[kMaxGroups];
  __shared__ Bits drops[kGroup];
  constexpr unsigned kParts = kSuppressThreads / kMaxGroups;
  constexpr unsigned kRowsOfPart = kGroup / kParts;
  const Frame frame = batch.At(blockIdx.x);
  State &state = *frame.state;
  const Chunk chunk = ChunkOf(batch, frame, number);
  const unsigned most = Within(frame.postprocess[kMaxDetections], batch.shape.detections);
  const unsigned thread = threadIdx.x;
  const unsigned before = state.kept;
  unsigned kept = before;
  bool capped = state.capped != 0;
  for (unsigned i = thread; i < 2 * chunk.groups; i += kSuppressThreads) {
    reinterpret_cast<unsigned *>(dropped)[i] = number == 0 ? 0 : frame.dropped[chunk.begin / 32 + i];
  }
  for (unsigned group = 0; group < chunk.groups && !capped; ++group) {
    const unsigned after = chunk.groups - group;
    const Bits *words = frame.overlaps + WordsOf(group, chunk.groups);
    const unsigned count = min(kGroup, chunk.count - group * kGroup);
    if (thread < count) drops[thread] = words[thread * after];
    __syncthreads();
    // Every thread does the same here.
    Bits open = ~dropped[group] & (count == kGroup ? ~Bits{0} : (Bits{1} << count) - 1);
    Bits chosen = 0;
    while (open != 0) {
      if (kept + static_cast<unsigned>(__popcll(chosen)) == most) {
        capped = true;
        break;
      }
      const int best = __ffsll(static_cast<long long>(open)) - 1;
      chosen |= Bits{1} << best;
      open &= ~(drops[best] | Bits{1} << best);
    }
    if (thread < count && (chosen >> thread & 1) != 0) {
      const auto place = static_cast<unsigned>(__popcll(chosen & ((Bits{1} << thread) - 1)));
      frame.kept[kept + place] = static_cast<int>(chunk.begin + group * kGroup + thread);
    }
    kept += static_cast<unsigned>(__popcll(chosen));
    // Several threads share a word, that its loads wait side by side.
    const unsigned ahead = 1 + thread % kMaxGroups;
    if (ahead < after) {
      const unsigned first = thread / kMaxGroups * kRowsOfPart;
      Bits bits = 0;
#pragma unroll 8
      for (unsigned row = first; row < first + kRowsOfPart; ++row) {
        if ((chosen >> row & 1) != 0) bits |= words[row * after + ahead];
      }
      if (bits != 0) atomicOr(&dropped[group + ahead], bits);
    }
    __syncthreads();
  }
  __syncthreads();
  if (is_last) {
    WriteDetections(batch, frame, kept, capped);
  } else if (thread == 0) {
    state.kept_before = before;
    state.kept = kept;
    state.capped = capped ? 1 : 0;
  }
}

/** Drops of the chunks to come what the last one's boxes overlap. */
__global__ void __launch_bounds__(kSuppressThreads) DropLater(Batch batch, unsigned number) {
  __shared__ float4 boxes[kSuppressThreads];
  __shared__ float areas[kSuppressThreads];
  __shared__ int classes[kSuppressThreads];
  const Frame frame = batch.At(blockIdx.y);
  const State &state = *frame.state;
  if (state.capped != 0) return;
  const unsigned count = batch.Count(frame);
  const bool agnostic = frame.postprocess[kAgnostic] != 0;
  const float threshold = frame.postprocess[kIouThreshold];
  const unsigned thread = threadIdx.x;
  for (unsigned begin = (number + 1) * kChunk + blockIdx.x * kSuppressThreads; begin < count;
       begin += gridDim.x * kSuppressThreads) {
    const unsigned own = begin + thread;
    const bool exists = own < count;
    const float4 box = exists ? frame.boxes[own] : make_float4(0, 0, 0, 0);
    const float area = AreaOf(box);
    const int box_class = exists ? frame.classes[own] : 0;
    bool drop = false;
    for (unsigned first = state.kept_before; first < state.kept; first += kSuppressThreads) {
      const unsigned others = min(unsigned{kSuppressThreads}, state.kept - first);
      __syncthreads();
      if (thread < others) {
        const auto at = static_cast<unsigned>(frame.kept[first + thread]);
        boxes[thread] = frame.boxes[at];
        areas[thread] = AreaOf(boxes[thread]);
        classes[thread] = frame.classes[at];
      }
      __syncthreads();
      for (unsigned i = 0; i < others && exists && !drop; ++i) {
        if (!agnostic && classes[i] != box_class) continue;
        drop = Overlap(box, area, boxes[i], areas[i], threshold);
      }
    }
    const unsigned votes = __ballot_sync(kAllLanes, drop);
    if (thread % kWarp == 0 && exists) frame.dropped[own / kWarp] |= votes;
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

/** Where the workspace's parts lie. What must be 0 before a run comes first, in so many bytes. */
Batch LayOut(size_t batch, const DetectionsShape &shape, Layout &layout, size_t *cleared = nullptr) {
  Batch result{};
  result.shape = shape;
  // Room for more than the limit ends the search for the bound early.
  result.pool_size = 2 * static_cast<unsigned>(shape.candidates);
  result.value_bits = 8 * BytesOf(shape.type);
  while (int64_t{1} << result.index_bits < int64_t{shape.anchors()} * shape.classes) ++result.index_bits;
  const auto candidates = static_cast<unsigned>(shape.candidates);
  const unsigned groups = ((candidates < kChunk ? candidates : kChunk) + kGroup - 1) / kGroup;
  result.dropped_words = candidates > kChunk ? (candidates + kGroup - 1) / kGroup * 2 : 0;
  result.overlap_words = kGroup * (groups * (groups + 1) / 2);
  result.states = layout.Take<State>(batch);
  result.dropped = layout.Take<unsigned>(batch * result.dropped_words);
  if (cleared != nullptr) *cleared = layout.used();
  result.pools = layout.Take<Key>(batch * result.pool_size);
  result.boxes = layout.Take<float4>(batch * candidates);
  result.scores = layout.Take<float>(batch * candidates);
  result.classes = layout.Take<int>(batch * candidates);
  result.kept = layout.Take<int>(batch * candidates);
  result.overlaps = layout.Take<Bits>(batch * result.overlap_words);
  return result;
}

Head HeadOf(const DetectionsShape &shape, const void *const *levels, int32_t values) {
  const int32_t lanes = kHeadVector / BytesOf(shape.type);
  Head head{};
  head.row = static_cast<unsigned>(PaddedChannels(values, shape.type) / lanes);
  head.values = static_cast<unsigned>(values);
  unsigned end = 0;
  for (int32_t level = 0; level < shape.levels; ++level) {
    head.levels[level] = static_cast<const uint4 *>(levels[level]);
    head.ends[level] = end += static_cast<unsigned>(shape.cells[level]) * head.row;
  }
  return head;
}

unsigned Least(int64_t a, int64_t b) { return static_cast<unsigned>(a < b ? a : b); }

/** Blocks for each of so many frames: as many as there is work for, and all together not more than run at a time. */
class Blocks {
 public:
  Blocks(int multiprocessors, unsigned frames) : threads_(int64_t{multiprocessors} * kThreadsAtATime / frames) {}

  unsigned For(int64_t shares, int threads) const {
    const int64_t fit = threads_ / threads;
    return Least(shares, fit < 1 ? 1 : fit);
  }

 private:
  int64_t threads_;
};

template <HeadType kType>
cudaError_t FindCandidates(cudaStream_t stream, const Batch &batch, dim3 grid) {
  cudaError_t error = cudaSuccess;
  for (int level = 0; error == cudaSuccess && level * kDigitBits < batch.value_bits + batch.index_bits; ++level) {
    error = Launch(Scan<kType>, grid, dim3(kScanThreads), stream, batch, level);
  }
  return error == cudaSuccess ? Launch(Collect<kType>, grid, dim3(kScanThreads), stream, batch) : error;
}

/** Suppression in chunks, of which few batches have more than one. */
cudaError_t SuppressAll(cudaStream_t stream, const Batch &batch, unsigned frames, const Blocks &blocks) {
  const auto candidates = static_cast<unsigned>(batch.shape.candidates);
  const unsigned chunks = (candidates + kChunk - 1) / kChunk;
  const int64_t pairs = batch.overlap_words / kGroup;
  const dim3 pair_grid(blocks.For(pairs, kGroup), frames);
  cudaError_t error = cudaSuccess;
  for (unsigned chunk = 0; error == cudaSuccess && chunk < chunks; ++chunk) {
    const bool is_last = chunk + 1 == chunks;
    error = Launch(Overlaps, pair_grid, dim3(kGroup), stream, batch, chunk);
    if (error == cudaSuccess) {
      error = Launch(Suppress, dim3(frames), dim3(kSuppressThreads), stream, batch, chunk, is_last);
    }
    if (error != cudaSuccess || is_last) continue;
    const dim3 grid(blocks.For((candidates + kSuppressThreads - 1) / kSuppressThreads, kSuppressThreads), frames);
    error = Launch(DropLater, grid, dim3(kSuppressThreads), stream, batch, chunk);
  }
  return error;
}

}  // namespace

size_t DetectionsWorkspace(int32_t batch, const DetectionsShape &shape) {
  Layout layout(nullptr);
  LayOut(static_cast<size_t>(batch), shape, layout);
  return layout.used();
}

cudaError_t LaunchDetections(cudaStream_t stream, int32_t multiprocessors, int32_t batch, const DetectionsShape &shape,
                             const DetectionsInputs &inputs, const DetectionsOutputs &outputs, void *workspace) {
  Layout layout(workspace);
  size_t cleared = 0;
  Batch all = LayOut(static_cast<size_t>(batch), shape, layout, &cleared);
  all.boxes_head = HeadOf(shape, inputs.box_regression, 4 * shape.anchors_per_cell);
  all.logits_head = HeadOf(shape, inputs.class_logits, shape.classes * shape.anchors_per_cell);
  all.anchors = inputs.anchors;
  all.class_thresholds = inputs.class_thresholds;
  all.postprocess = inputs.postprocess;
  all.outputs = outputs;
  const auto frames = static_cast<unsigned>(batch);
  const Blocks blocks(multiprocessors, frames);
  cudaError_t error = cudaMemsetAsync(workspace, 0, cleared, stream);
  // A block's share is worth its histogram.
  constexpr int64_t kShare = int64_t{kScanThreads} * kAhead;
  const int64_t vectors = all.logits_head.ends[shape.levels - 1];
  const dim3 grid(blocks.For((vectors + kShare - 1) / kShare, kScanThreads), frames);
  if (error == cudaSuccess) {
    error = shape.type == kHeadFloat32   ? FindCandidates<kHeadFloat32>(stream, all, grid)
            : shape.type == kHeadFloat16 ? FindCandidates<kHeadFloat16>(stream, all, grid)
                                         : FindCandidates<kHeadBfloat16>(stream, all, grid);
  }
  constexpr unsigned kKeys = kRankThreads / kRankParts;
  const dim3 rank_grid(blocks.For((all.pool_size + kKeys - 1) / kKeys, kRankThreads), frames);
  if (error == cudaSuccess) error = Launch(Rank, rank_grid, dim3(kRankThreads), stream, all);
  return error == cudaSuccess ? SuppressAll(stream, all, frames, blocks) : error;
}
