/*
 * Lines are prepared first, in float64: which samples make each column and each row of a frame's input, and with which
 * weights.
 *
 * What then goes over all pixels takes float64 only where float32 might round otherwise.
 *
 * Compiled without fused multiply-adds (-fmad=false; -ffp-contract=off on the CPU): the reference rounds after every
 * operation, and a weight that differs by one unit changes bytes.
 */
#include <cuda_fp16.h>

#include "launch.h"
#include "preprocess.h"

namespace {

/** Side of the square of input pixels that a block makes. */
constexpr int kTile = 32;
/** Source rows that a block works on at a time: one for each of its warps. */
constexpr int kRows = 8;
/** Source columns that a block keeps at a time, as RGB. */
constexpr int kColumns = 512;
/** Weights per line that are kept. Beyond, for images more than 31 times as wide as they become, they are computed
    again and again. */
constexpr int kWeights = 64;
constexpr int kLineThreads = 128;
/** Blocks that share a multiprocessor. Left alone, the compiler aims at five and spills registers for them. */
constexpr int kBlocksAtATime = 4;

/** Pillow's fixed-point fraction bits: 8-bit samples times weights that sum to 1 stay below 2³¹. */
constexpr int kFractionBits = 22;
constexpr int kHalf = 1 << (kFractionBits - 1);

/** R, G and B in the low bytes. */
using Pixel = uint32_t;

__device__ __forceinline__ Pixel MakePixel(int red, int green, int blue) {
  return static_cast<Pixel>(red | green << 8 | blue << 16);
}
__device__ __forceinline__ int ChannelOf(Pixel pixel, int channel) { return pixel >> (8 * channel) & 0xff; }

__device__ Pixel ReadPixel(const PreprocessFrame &frame, int x, int y) {
  const uint8_t *row = frame.planes[0] + static_cast<size_t>(y) * frame.strides[0];
  const size_t at = x;
  switch (frame.format) {
    case ED_RGB:
      return MakePixel(row[3 * at], row[3 * at + 1], row[3 * at + 2]);
    case ED_RGBA:
      return MakePixel(row[4 * at], row[4 * at + 1], row[4 * at + 2]);
    case ED_BGR:
      return MakePixel(row[3 * at + 2], row[3 * at + 1], row[3 * at]);
    case ED_BGRA:
      return MakePixel(row[4 * at + 2], row[4 * at + 1], row[4 * at]);
    case ED_GREY:
      return MakePixel(row[at], row[at], row[at]);
    case ED_NV12: {
      const uint8_t *chroma = frame.planes[1] + static_cast<size_t>(y >> 1) * frame.strides[1] + (at >> 1) * 2;
      return RgbOfYuv(frame.yuv, row[at], chroma[0], chroma[1]);
    }
    default: {
      const uint8_t *u = frame.planes[1] + static_cast<size_t>(y >> 1) * frame.strides[1] + (at >> 1);
      const uint8_t *v = frame.planes[2] + static_cast<size_t>(y >> 1) * frame.strides[2] + (at >> 1);
      return RgbOfYuv(frame.yuv, row[at], *u, *v);
    }
  }
}

__device__ __forceinline__ void Store(float *to, float value) { *to = value; }
__device__ __forceinline__ void Store(__half *to, float value) { *to = __float2half_rn(value); }

/** (value − mean) / std, rounded to float32 at each step as PyTorch does. */
__device__ __forceinline__ float Normalise(const PreprocessModel &model, float value, int channel) {
  return (value - model.mean[channel]) / model.std[channel];
}

/** A line's samples that make one sample of a resized line, weighted by Pillow's triangle filter. */
struct Taps {
  double centre;
  /** Steepness of the triangle's sides. */
  double slope;
  /** 1 / the sum of all weights before they are normalised. */
  double share;
  int begin;
  int end;
};

/** Height of the triangle over a sample. */
__device__ __forceinline__ double Triangle(const Taps &taps, int sample) {
  const double height = 1 - fabs((sample - taps.centre + 0.5) * taps.slope);
  return height < 0 ? 0 : height;
}

/** The filter's half width on a line of `from` samples that becomes one of `to`: it widens when shrinking. */
__device__ __forceinline__ double SupportOf(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  return scale < 1 ? 1 : scale;
}

__device__ Taps TapsOf(int from, int to, int position) {
  const double support = SupportOf(from, to);
  Taps taps;
  // Pillow multiplies by it, which may differ from a division in the last bit.
  taps.slope = 1 / support;
  taps.centre = (position + 0.5) * (static_cast<double>(from) / to);
  taps.begin = max(0, static_cast<int>(taps.centre - support + 0.5));
  taps.end = min(from, static_cast<int>(taps.centre + support + 0.5));
  double sum = 0;
  for (int i = taps.begin; i < taps.end; ++i) sum += Triangle(taps, i);
  taps.share = sum == 0 ? 1 : 1 / sum;
  return taps;
}

/** The fixed-point weight of one of the taps' samples. */
__device__ __forceinline__ int WeightOf(const Taps &taps, int sample) {
  return static_cast<int>(0.5 + Triangle(taps, sample) * taps.share * (1 << kFractionBits));
}

/** The same of taps that are too many to be kept. */
__device__ __noinline__ int FarWeightOf(const Taps &taps, int sample) { return WeightOf(taps, sample); }

/** Whether the weights of all lines are kept that make `to` of `from`. */
__device__ __forceinline__ bool KeepsWeights(int from, int to) {
  return from <= static_cast<int64_t>(to) * (kWeights / 2 - 1);
}

/** Left or upper neighbour of an output sample, the next one, and how far (0…1) it lies towards that. */
struct Neighbours {
  int first;
  int second;
  float fraction;
};

__device__ Neighbours NeighboursOf(int from, int to, int position) {
  const double at = (position + 0.5) * (static_cast<double>(from) / to) - 0.5;
  const double before = floor(at);
  // Outside of the first and last centre the border sample alone counts.
  return {min(max(static_cast<int>(before), 0), from - 1), min(max(static_cast<int>(before) + 1, 0), from - 1),
          static_cast<float>(at - before)};
}

/** What is prepared of all frames: of each, its columns, then its rows. One of both kinds is there. */
struct Lines {
  Taps *taps;
  /** Each frame's first weights of all lines, then the second ones. */
  int *weights;
  Neighbours *neighbours;
};

/** One frame's lines along an axis. */
struct Axis {
  const Taps *taps;
  const int *weights;
  const Neighbours *neighbours;
  /** From a line's weight to its next. */
  int stride;
};

__device__ Axis AxisOf(const PreprocessModel &model, const Lines &lines, unsigned frame, bool is_rows) {
  const int stride = model.width + model.height;
  const size_t first = static_cast<size_t>(frame) * stride + (is_rows ? model.width : 0);
  const size_t weights = static_cast<size_t>(frame) * stride * kWeights + (is_rows ? model.width : 0);
  return {lines.taps + first, lines.weights + weights, lines.neighbours + first, stride};
}

/** A thread for each column and row of each frame. */
__global__ void __launch_bounds__(kLineThreads)
    PrepareLines(PreprocessModel model, const PreprocessFrame *frames, Lines lines) {
  const PreprocessFrame &frame = frames[blockIdx.y];
  const int line = static_cast<int>(blockIdx.x * kLineThreads + threadIdx.x);
  const int all = model.width + model.height;
  if (frame.width == 0 || line >= all) return;
  const bool is_row = line >= model.width;
  const int position = is_row ? line - model.width : line;
  const int from = is_row ? frame.height : frame.width;
  const int to = is_row ? frame.fitted_height : frame.fitted_width;
  if (position >= to) return;
  const size_t at = static_cast<size_t>(blockIdx.y) * all + line;
  if (model.resize != ED_ANTIALIASED) {
    lines.neighbours[at] = NeighboursOf(from, to, position);
    return;
  }
  const Taps taps = TapsOf(from, to, position);
  lines.taps[at] = taps;
  if (!KeepsWeights(from, to)) return;
  int *weights = lines.weights + static_cast<size_t>(blockIdx.y) * all * kWeights + line;
  for (int i = 0; i < taps.end - taps.begin; ++i)
    weights[static_cast<size_t>(i) * all] = WeightOf(taps, taps.begin + i);
}

/** Source samples that make a line. */
struct Range {
  int begin;
  int end;
};

__device__ __forceinline__ Range RangeOf(const Taps &taps) { return {taps.begin, taps.end}; }

struct Sums {
  int channels[3] = {kHalf, kHalf, kHalf};

  __device__ __forceinline__ void Add(int weight, Pixel pixel) {
    for (int channel = 0; channel < 3; ++channel) channels[channel] += weight * ChannelOf(pixel, channel);
  }
  /** Weights are not negative and sum to 1 within rounding, so no sample leaves 0…255. */
  __device__ __forceinline__ Pixel Round() const {
    return MakePixel(channels[0] >> kFractionBits, channels[1] >> kFractionBits, channels[2] >> kFractionBits);
  }
};

/** Fills what of a tile lies beside the image, from a thread's view. */
template <class Value>
__device__ void FillBeside(const PreprocessModel &model, int width, int height, Value *input) {
  const int x = blockIdx.x * kTile + threadIdx.x;
  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int y = blockIdx.y * kTile + row;
    if (x >= model.width || y >= model.height || (x < width && y < height)) continue;
    for (int channel = 0; channel < 3; ++channel) {
      Value *to = input + (static_cast<size_t>(channel) * model.height + y) * model.width + x;
      Store(to, Normalise(model, model.fill[channel], channel));
    }
  }
}

/**
 * Pillow's resize: rows first, then columns, with 8-bit samples in between. A block turns a few source rows to RGB,
 * filters them, and adds to its columns' sums.
 *
 * Nothing but the frame and its lines is read from memory, and nothing but the input is written, whatever the sizes.
 *
 * @param block kTile × kRows threads
 */
template <class Value>
__global__ void __launch_bounds__(kTile *kRows, kBlocksAtATime)
    PreprocessAntialiased(PreprocessModel model, const PreprocessFrame *frames, Lines lines, Value *inputs) {
  __shared__ Range across[kTile];
  __shared__ Range down[kTile];
  __shared__ int across_weights[kTile][kWeights + 1];
  __shared__ int down_weights[kTile][kRows];
  __shared__ Pixel source[kRows][kColumns];
  __shared__ Pixel filtered[kRows][kTile];

  const PreprocessFrame &frame = frames[blockIdx.z];
  const int width = frame.width == 0 ? 0 : frame.fitted_width;
  const int height = frame.width == 0 ? 0 : frame.fitted_height;
  Value *input = inputs + static_cast<size_t>(blockIdx.z) * 3 * model.height * model.width;
  FillBeside(model, width, height, input);
  const int left = blockIdx.x * kTile;
  const int top = blockIdx.y * kTile;
  if (left >= width || top >= height) return;

  const int lane = threadIdx.x;
  const int warp = threadIdx.y;
  const int columns = min(kTile, width - left);
  const int rows = min(kTile, height - top);
  const Axis x_axis = AxisOf(model, lines, blockIdx.z, false);
  const Axis y_axis = AxisOf(model, lines, blockIdx.z, true);
  if (warp == 0 && lane < columns) across[lane] = RangeOf(x_axis.taps[left + lane]);
  if (warp == 1 && lane < rows) down[lane] = RangeOf(y_axis.taps[top + lane]);
  __syncthreads();

  const Range &range = across[min(lane, columns - 1)];
  // The same for all columns, as all threads must go the same way.
  const bool keeps_columns = KeepsWeights(frame.width, width);
  const bool keeps_rows = KeepsWeights(frame.height, height);
  if (keeps_columns && lane < columns) {
    for (int i = warp; i < range.end - range.begin; i += kRows) {
      across_weights[lane][i] = x_axis.weights[static_cast<size_t>(i) * x_axis.stride + left + lane];
    }
  }
  __syncthreads();

  const int first_column = across[0].begin;
  const int last_column = across[columns - 1].end;
  const int last_row = down[rows - 1].end;
  Sums sums[kTile / kRows];
  for (int row = down[0].begin; row < last_row; row += kRows) {
    // Along x: one source row per warp, one column of the tile per thread.
    const bool has_row = row + warp < last_row;
    Sums line;
    for (int column = first_column; column < last_column; column += kColumns) {
      const int end = min(last_column, column + kColumns);
      if (has_row) {
        for (int x = column + lane; x < end; x += kTile) source[warp][x - column] = ReadPixel(frame, x, row + warp);
      }
      // The row is this warp's alone.
      __syncwarp();
      if (has_row && lane < columns) {
        const int to = min(range.end, end);
        for (int x = max(range.begin, column); x < to; ++x) {
          const int weight =
              keeps_columns ? across_weights[lane][x - range.begin] : FarWeightOf(x_axis.taps[left + lane], x);
          line.Add(weight, source[warp][x - column]);
        }
      }
      __syncwarp();
    }
    if (has_row) filtered[warp][lane] = line.Round();
    const int thread = warp * kTile + lane;
    const int tap_row = thread / kRows;
    if (tap_row < rows) {
      const int y = row + thread % kRows;
      const int tap = y - down[tap_row].begin;
      int weight = 0;
      if (tap >= 0 && y < down[tap_row].end) {
        weight = keeps_rows ? y_axis.weights[static_cast<size_t>(tap) * y_axis.stride + top + tap_row]
                            : FarWeightOf(y_axis.taps[top + tap_row], y);
      }
      down_weights[tap_row][thread % kRows] = weight;
    }
    __syncthreads();
    // Along y: each thread has four pixels of a column.
    for (int i = 0; i < kTile / kRows; ++i) {
      const int y = warp + i * kRows;
      if (y >= rows) continue;
      const int from = max(0, down[y].begin - row);
      const int to = min(kRows, down[y].end - row);
      for (int k = from; k < to; ++k) sums[i].Add(down_weights[y][k], filtered[k][lane]);
    }
    __syncthreads();
  }

  if (lane >= columns) return;
  for (int i = 0; i < kTile / kRows; ++i) {
    const int y = warp + i * kRows;
    if (y >= rows) continue;
    const Pixel pixel = sums[i].Round();
    for (int channel = 0; channel < 3; ++channel) {
      Value *to = input + (static_cast<size_t>(channel) * model.height + top + y) * model.width + left + lane;
      Store(to, Normalise(model, static_cast<float>(ChannelOf(pixel, channel)), channel));
    }
  }
}

/** A fraction of 0…1: a whole number of 2⁻²⁰, and what is left, within 2⁻²¹. */
struct Split {
  int coarse;
  float fine;
};

/** Units of a split fraction's coarse part. */
constexpr int kSplitBits = 20;
constexpr float kSplitUnit = 1.0f / (1 << kSplitBits);

__device__ __forceinline__ Split SplitOf(float fraction) {
  const int coarse = __float2int_rn(fraction * (1 << kSplitBits));
  // No bit of it is lost.
  return {coarse, fraction - static_cast<float>(coarse) * kSplitUnit};
}

/** A whole number within 2²², faster than by a conversion. */
__device__ __forceinline__ float SmallFloat(int number) {
  return __uint_as_float(0x4b400000u + static_cast<unsigned>(number)) - 12582912.0f;
}

/**
 * A sample between four, in float64, as subtracting the mean from a value near it leaves few of float32's bits.
 *
 * @param across, down how far it lies to the right and below
 */
__device__ __noinline__ float BetweenExactly(int top_left, int top_right, int bottom_left, int bottom_right,
                                             float across, float down) {
  const double top = top_left + static_cast<double>(across) * (top_right - top_left);
  const double bottom = bottom_left + static_cast<double>(across) * (bottom_right - bottom_left);
  return static_cast<float>(top + static_cast<double>(down) * (bottom - top));
}

/** Fractions of a pixel, each as it is and split, and the product of both. */
struct Fractions {
  float across;
  float down;
  Split split_across;
  Split split_down;
  Split product;
};

__device__ __forceinline__ Fractions FractionsOf(float across, const Split &split_across, float down,
                                                 const Split &split_down) {
  const float product = across * down;
  Split split = SplitOf(product);
  // What rounding took from the product.
  split.fine += __fmaf_rn(across, down, -product);
  return {across, down, split_across, split_down, split};
}

/**
 * The same in float32: in whole numbers what the coarse parts of the fractions make, and in float32 the small rest,
 * whose error is bounded.
 *
 * Where that error might turn the last bit, float64 decides. That is rare: the error is some 2⁻¹⁵ of that bit.
 */
__device__ __forceinline__ float Between(int top_left, int top_right, int bottom_left, int bottom_right,
                                         const Fractions &at) {
  const int right = top_right - top_left;
  const int below = bottom_left - top_left;
  const int cross = bottom_right - bottom_left - right;
  const int coarse = (top_left << kSplitBits) + at.split_across.coarse * right + at.split_down.coarse * below +
                     at.product.coarse * cross;
  const float fine = at.split_across.fine * SmallFloat(right) + at.split_down.fine * SmallFloat(below) +
                     at.product.fine * SmallFloat(cross);
  // At most 24 bits are left, which float32 holds.
  constexpr int kLow = 31;
  const float high = static_cast<float>(coarse & ~kLow) * kSplitUnit;
  const float low = SmallFloat(coarse & kLow) * kSplitUnit + fine;
  const float steps = SmallFloat(abs(right) + abs(below) + abs(cross));
  const float error = steps * 0x1p-41f + fabsf(low) * 0x1p-22f;
  const float least = high + (low - error);
  const float most = high + (low + error);
  if (least == most) return least;
  return BetweenExactly(top_left, top_right, bottom_left, bottom_right, at.across, at.down);
}

/** The four neighbours at half-pixel centres, with no filter when shrinking. */
template <class Value>
__global__ void __launch_bounds__(kTile *kRows)
    PreprocessBilinear(PreprocessModel model, const PreprocessFrame *frames, Lines lines, Value *inputs) {
  const PreprocessFrame &frame = frames[blockIdx.z];
  const int width = frame.width == 0 ? 0 : frame.fitted_width;
  const int height = frame.width == 0 ? 0 : frame.fitted_height;
  Value *input = inputs + static_cast<size_t>(blockIdx.z) * 3 * model.height * model.width;
  FillBeside(model, width, height, input);
  const int x = blockIdx.x * kTile + threadIdx.x;
  if (x >= width) return;
  const Neighbours column = AxisOf(model, lines, blockIdx.z, false).neighbours[x];
  const Split split_column = SplitOf(column.fraction);
  const Axis y_axis = AxisOf(model, lines, blockIdx.z, true);
  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int y = blockIdx.y * kTile + row;
    if (y >= height) return;
    const Neighbours line = y_axis.neighbours[y];
    const Fractions at = FractionsOf(column.fraction, split_column, line.fraction, SplitOf(line.fraction));
    const Pixel top_left = ReadPixel(frame, column.first, line.first);
    const Pixel top_right = ReadPixel(frame, column.second, line.first);
    const Pixel bottom_left = ReadPixel(frame, column.first, line.second);
    const Pixel bottom_right = ReadPixel(frame, column.second, line.second);
    for (int channel = 0; channel < 3; ++channel) {
      const float value = Between(ChannelOf(top_left, channel), ChannelOf(top_right, channel),
                                  ChannelOf(bottom_left, channel), ChannelOf(bottom_right, channel), at);
      Value *to = input + (static_cast<size_t>(channel) * model.height + y) * model.width + x;
      Store(to, Normalise(model, value, channel));
    }
  }
}

/** Where the workspace's parts lie, and how large it is. */
Lines LayOut(const PreprocessModel &model, int32_t batch, void *workspace, size_t *size) {
  const auto aligned = [](size_t bytes) { return (bytes + 255) / 256 * 256; };
  const size_t count = static_cast<size_t>(batch) * static_cast<size_t>(model.width + model.height);
  auto *begin = static_cast<char *>(workspace);
  Lines lines{};
  if (model.resize == ED_ANTIALIASED) {
    const size_t taps = aligned(count * sizeof(Taps));
    lines.taps = reinterpret_cast<Taps *>(begin);
    lines.weights = reinterpret_cast<int *>(begin + taps);
    *size = taps + aligned(count * kWeights * sizeof(int));
  } else {
    lines.neighbours = reinterpret_cast<Neighbours *>(begin);
    *size = aligned(count * sizeof(Neighbours));
  }
  return lines;
}

template <class Value>
cudaError_t LaunchFor(cudaStream_t stream, const PreprocessModel &model, const PreprocessFrame *frames, int32_t batch,
                      const Lines &lines, void *input) {
  const auto tiles = [](int32_t side) { return static_cast<unsigned>((side + kTile - 1) / kTile); };
  const auto kernel = model.resize == ED_ANTIALIASED ? PreprocessAntialiased<Value> : PreprocessBilinear<Value>;
  return Launch(kernel, dim3(tiles(model.width), tiles(model.height), static_cast<unsigned>(batch)), dim3(kTile, kRows),
                stream, model, frames, lines, static_cast<Value *>(input));
}

}  // namespace

size_t PreprocessWorkspace(const PreprocessModel &model, int32_t batch) {
  size_t size = 0;
  LayOut(model, batch, nullptr, &size);
  return size;
}

cudaError_t LaunchPreprocess(cudaStream_t stream, const PreprocessModel &model, const PreprocessFrame *frames,
                             int32_t batch, void *input, void *workspace) {
  size_t size = 0;
  const Lines lines = LayOut(model, batch, workspace, &size);
  const auto blocks = static_cast<unsigned>((model.width + model.height + kLineThreads - 1) / kLineThreads);
  const cudaError_t error = Launch(PrepareLines, dim3(blocks, static_cast<unsigned>(batch)), dim3(kLineThreads), stream,
                                   model, frames, lines);
  if (error != cudaSuccess) return error;
  return model.half ? LaunchFor<__half>(stream, model, frames, batch, lines, input)
                    : LaunchFor<float>(stream, model, frames, batch, lines, input);
}
