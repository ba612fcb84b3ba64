/*
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
/** Weights per column that a block keeps. Beyond, for images more than 31 times as wide as they become, they are
    computed again and again. */
constexpr int kWeights = 64;
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

/** The fixed-point weight of a sample, 0 beyond the taps. */
__device__ __forceinline__ int WeightOf(const Taps &taps, int sample) {
  if (sample < taps.begin || sample >= taps.end) return 0;
  return static_cast<int>(0.5 + Triangle(taps, sample) * taps.share * (1 << kFractionBits));
}

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
 * Nothing but the frame is read from memory, and nothing but the input is written, whatever the sizes.
 *
 * @param block kTile × kRows threads
 */
template <class Value>
__global__ void __launch_bounds__(kTile *kRows, kBlocksAtATime)
    PreprocessAntialiased(PreprocessModel model, const PreprocessFrame *frames, Value *inputs) {
  __shared__ Taps across[kTile];
  __shared__ Taps down[kTile];
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
  if (warp == 0 && lane < columns) across[lane] = TapsOf(frame.width, width, left + lane);
  if (warp == 1 && lane < rows) down[lane] = TapsOf(frame.height, height, top + lane);
  __syncthreads();

  const Taps &taps = across[min(lane, columns - 1)];
  // The same for all columns, as all threads must go the same way.
  const bool keeps_weights = 2 * SupportOf(frame.width, width) + 1 <= kWeights;
  if (keeps_weights && lane < columns) {
    for (int i = warp; i < taps.end - taps.begin; i += kRows) {
      across_weights[lane][i] = WeightOf(taps, taps.begin + i);
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
        const int to = min(taps.end, end);
        for (int x = max(taps.begin, column); x < to; ++x) {
          const int weight = keeps_weights ? across_weights[lane][x - taps.begin] : WeightOf(taps, x);
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
      down_weights[tap_row][thread % kRows] = y < last_row ? WeightOf(down[tap_row], y) : 0;
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

/**
 * The four neighbours at half-pixel centres, with no filter when shrinking. In float64, as subtracting the mean from
 * a value near it leaves few of float32's bits.
 */
template <class Value>
__global__ void __launch_bounds__(kTile *kRows)
    PreprocessBilinear(PreprocessModel model, const PreprocessFrame *frames, Value *inputs) {
  const PreprocessFrame &frame = frames[blockIdx.z];
  const int width = frame.width == 0 ? 0 : frame.fitted_width;
  const int height = frame.width == 0 ? 0 : frame.fitted_height;
  Value *input = inputs + static_cast<size_t>(blockIdx.z) * 3 * model.height * model.width;
  FillBeside(model, width, height, input);
  const int x = blockIdx.x * kTile + threadIdx.x;
  if (x >= width) return;
  const Neighbours column = NeighboursOf(frame.width, width, x);
  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int y = blockIdx.y * kTile + row;
    if (y >= height) return;
    const Neighbours line = NeighboursOf(frame.height, height, y);
    const Pixel top_left = ReadPixel(frame, column.first, line.first);
    const Pixel top_right = ReadPixel(frame, column.second, line.first);
    const Pixel bottom_left = ReadPixel(frame, column.first, line.second);
    const Pixel bottom_right = ReadPixel(frame, column.second, line.second);
    for (int channel = 0; channel < 3; ++channel) {
      const auto between = [&](Pixel left, Pixel right) {
        const int begin = ChannelOf(left, channel);
        return begin + static_cast<double>(column.fraction) * (ChannelOf(right, channel) - begin);
      };
      const double top = between(top_left, top_right);
      const double bottom = between(bottom_left, bottom_right);
      const auto value = static_cast<float>(top + static_cast<double>(line.fraction) * (bottom - top));
      Value *to = input + (static_cast<size_t>(channel) * model.height + y) * model.width + x;
      Store(to, Normalise(model, value, channel));
    }
  }
}

template <class Value>
cudaError_t LaunchFor(cudaStream_t stream, const PreprocessModel &model, const PreprocessFrame *frames, int32_t batch,
                      void *input) {
  const auto tiles = [](int32_t side) { return static_cast<unsigned>((side + kTile - 1) / kTile); };
  const auto kernel = model.resize == ED_ANTIALIASED ? PreprocessAntialiased<Value> : PreprocessBilinear<Value>;
  return Launch(kernel, dim3(tiles(model.width), tiles(model.height), static_cast<unsigned>(batch)), dim3(kTile, kRows),
                stream, model, frames, static_cast<Value *>(input));
}

}  // namespace

cudaError_t LaunchPreprocess(cudaStream_t stream, const PreprocessModel &model, const PreprocessFrame *frames,
                             int32_t batch, void *input) {
  return model.half ? LaunchFor<__half>(stream, model, frames, batch, input)
                    : LaunchFor<float>(stream, model, frames, batch, input);
}
