/*
 * The work itself, in plain loops that compilers turn into vector instructions. Each of code_*.cc compiles it, in a
 * namespace of its own, for one kind of processor.
 *
 * Uses no function of the standard library: one that is compiled here could take the place of others' copies, on
 * processors that lack its instructions.
 */
#include "work.h"

namespace {

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

inline int32_t Smaller(int32_t a, int32_t b) { return a < b ? a : b; }
inline int32_t Larger(int32_t a, int32_t b) { return a > b ? a : b; }
inline uint32_t ByteOf(int32_t value) { return static_cast<uint32_t>(Smaller(Larger(value, 0), 255)); }
inline int32_t ChannelOf(Pixel pixel, int channel) { return static_cast<int32_t>(pixel >> (8 * channel) & 0xff); }

/* --- Frames → pixels ------------------------------------------------------------------------------------------- */

inline const uint8_t *RowOf(const ed_frame &frame, int plane, int32_t y) {
  return frame.planes[plane] + static_cast<size_t>(y) * frame.strides[plane];
}

/** Where red, green and blue lie within a pixel of so many bytes. */
template <int kBytes, int kRed, int kGreen, int kBlue>
void ReadInterleaved(const uint8_t *__restrict from, int32_t count, Pixel *__restrict to) {
  for (int32_t x = 0; x < count; ++x) {
    const uint8_t *pixel = from + static_cast<size_t>(x) * kBytes;
    to[x] = static_cast<Pixel>(pixel[kRed] | pixel[kGreen] << 8 | pixel[kBlue] << 16);
  }
}

/** What chroma adds to grey, for two columns each. */
void ReadChroma(const YuvCoefficients &yuv, const uint8_t *__restrict u, const uint8_t *__restrict v, size_t step,
                int32_t count, ChunkScratch &chunk) {
  int32_t *__restrict red = chunk.red;
  int32_t *__restrict green = chunk.green;
  int32_t *__restrict blue = chunk.blue;
  const size_t pairs = static_cast<size_t>(count + 1) / 2;
  for (size_t i = 0; i < pairs; ++i) {
    const int32_t at_u = u[i * step] - 128;
    const int32_t at_v = v[i * step] - 128;
    red[2 * i] = red[2 * i + 1] = yuv.red_of_v * at_v;
    green[2 * i] = green[2 * i + 1] = -yuv.green_of_u * at_u - yuv.green_of_v * at_v;
    blue[2 * i] = blue[2 * i + 1] = yuv.blue_of_u * at_u;
  }
}

void ReadLuma(const YuvCoefficients &yuv, const uint8_t *__restrict luma, int32_t count, const ChunkScratch &chunk,
              Pixel *__restrict to) {
  const int32_t *__restrict red = chunk.red;
  const int32_t *__restrict green = chunk.green;
  const int32_t *__restrict blue = chunk.blue;
  for (int32_t x = 0; x < count; ++x) {
    const int32_t grey = yuv.luma * (luma[x] - yuv.black) + (1 << (kYuvFractionBits - 1));
    to[x] = ByteOf((grey + red[x]) >> kYuvFractionBits) | ByteOf((grey + green[x]) >> kYuvFractionBits) << 8 |
            ByteOf((grey + blue[x]) >> kYuvFractionBits) << 16;
  }
}

/** Reads a part of rows as pixels, at most kColumns from an even column on and kRows. */
void ReadRows(const Work &work, int32_t y, int32_t rows, int32_t x, int32_t count) {
  const ed_frame &frame = *work.frame;
  ChunkScratch &chunk = *work.chunk;
  for (int32_t row = 0; row < rows; ++row) {
    Pixel *to = chunk.rows[row];
    const uint8_t *line = RowOf(frame, 0, y + row);
    const size_t at = static_cast<size_t>(x);
    switch (frame.format) {
      case ED_RGB:
        ReadInterleaved<3, 0, 1, 2>(line + 3 * at, count, to);
        break;
      case ED_RGBA:
        ReadInterleaved<4, 0, 1, 2>(line + 4 * at, count, to);
        break;
      case ED_BGR:
        ReadInterleaved<3, 2, 1, 0>(line + 3 * at, count, to);
        break;
      case ED_BGRA:
        ReadInterleaved<4, 2, 1, 0>(line + 4 * at, count, to);
        break;
      case ED_GREY:
        ReadInterleaved<1, 0, 0, 0>(line + at, count, to);
        break;
      default:
        // Two rows share their chroma.
        if (row == 0 || (y + row) % 2 == 0) {
          const int32_t half = (y + row) / 2;
          if (frame.format == ED_NV12) {
            const uint8_t *both = RowOf(frame, 1, half) + at;
            ReadChroma(work.yuv, both, both + 1, 2, count, chunk);
          } else {
            ReadChroma(work.yuv, RowOf(frame, 1, half) + at / 2, RowOf(frame, 2, half) + at / 2, 1, count, chunk);
          }
        }
        ReadLuma(work.yuv, line + at, count, chunk, to);
    }
  }
}

/* --- Pixels → the network's input ------------------------------------------------------------------------------ */

/** (value − mean) / std, rounded to float32 at each step as PyTorch does. */
inline float Normalise(const InputModel &model, float value, int channel) {
  return (value - model.mean[channel]) / model.std[channel];
}

inline float *RowOfInput(const Work &work, int channel, int32_t y) {
  return work.input + (static_cast<size_t>(channel) * work.model->height + y) * work.model->width;
}

void Fill(float *to, int32_t count, float value) {
  for (int32_t i = 0; i < count; ++i) to[i] = value;
}

/** Fills what lies right of the image and below it. */
void FillBeside(const Work &work) {
  const InputModel &model = *work.model;
  for (int channel = 0; channel < 3; ++channel) {
    const float fill = model.fill[channel];
    for (int32_t y = 0; y < work.fitted_height; ++y) {
      Fill(RowOfInput(work, channel, y) + work.fitted_width, model.width - work.fitted_width, fill);
    }
    for (int32_t y = work.fitted_height; y < model.height; ++y) Fill(RowOfInput(work, channel, y), model.width, fill);
  }
}

/* --- Pillow's bilinear resize: rows first, then columns, with 8-bit samples in between ------------------------- */

inline Pixel *RingRow(const Work &work, int32_t y) {
  return work.ring + static_cast<size_t>(y % work.ring_rows) * work.row_pixels;
}

/** Resizes rows along x, at most kRows, into the ring. */
void FilterRows(const Work &work, int32_t y, int32_t rows) {
  const TapsView &taps = work.across;
  const auto width = static_cast<int32_t>(work.frame->width);
  int32_t unfinished = 0;
  for (int32_t column = 0; column < width; column += kColumns) {
    const int32_t end = Smaller(width, column + kColumns);
    ReadRows(work, y, rows, column, end - column);
    ChunkScratch &chunk = *work.chunk;
    for (int32_t x = 0; x < end - column; ++x) {
      for (int row = 0; row < kRows; ++row) chunk.columns[x][row] = chunk.rows[row][x];
    }
    for (int32_t x = unfinished; x < work.fitted_width && taps.begin[x] < end; ++x) {
      const int32_t begin = taps.begin[x];
      const int32_t count = taps.offset[x + 1] - taps.offset[x];
      const int32_t *weights = taps.weights + taps.offset[x];
      const int32_t from = Larger(begin, column);
      const int32_t to = Smaller(begin + count, end);
      int32_t *carried = work.carried + static_cast<size_t>(x) * 4 * kRows;
      Sums sums = begin < column ? Sums::Load(carried) : Sums::Of(kHalf);
      for (int32_t k = from; k < to; ++k) {
        sums.Add(reinterpret_cast<const uint8_t *>(chunk.columns[k - column]), weights[k - begin]);
      }
      if (begin + count > end) {
        sums.Save(carried);
        continue;
      }
      unfinished = x + 1;
      Pixel pixels[kRows];
      sums.StoreBytes(reinterpret_cast<uint8_t *>(pixels));
      for (int32_t row = 0; row < rows; ++row) RingRow(work, y + row)[x] = pixels[row];
    }
  }
}

/** Resizes along y: makes a row of the image from rows of the ring. */
void FilterColumns(const Work &work, int32_t y) {
  const TapsView &taps = work.down;
  const int32_t begin = taps.begin[y];
  const int32_t count = taps.offset[y + 1] - taps.offset[y];
  const int32_t *weights = taps.weights + taps.offset[y];
  for (int32_t x = 0; x < work.row_pixels; x += kBlock) {
    Sums sums[kBlock / 4];
    for (Sums &four : sums) four = Sums::Of(kHalf);
    for (int32_t k = 0; k < count; ++k) {
      const auto *samples = reinterpret_cast<const uint8_t *>(RingRow(work, begin + k) + x);
      for (size_t i = 0; i < kBlock / 4; ++i) sums[i].Add(samples + 16 * i, weights[k]);
    }
    auto *to = reinterpret_cast<uint8_t *>(work.finished + x);
    for (size_t i = 0; i < kBlock / 4; ++i) sums[i].StoreBytes(to + 16 * i);
  }
}

void Antialiased(const Work &work) {
  const auto height = static_cast<int32_t>(work.frame->height);
  int32_t filtered = 0;
  for (int32_t y = 0; y < work.fitted_height; ++y) {
    const int32_t end = work.down.begin[y] + work.down.offset[y + 1] - work.down.offset[y];
    while (filtered < end) {
      const int32_t rows = Smaller(kRows, height - filtered);
      FilterRows(work, filtered, rows);
      filtered += rows;
    }
    FilterColumns(work, y);
    for (int channel = 0; channel < 3; ++channel) {
      const Pixel *__restrict from = work.finished;
      float *__restrict to = RowOfInput(work, channel, y);
      for (int32_t x = 0; x < work.fitted_width; ++x) {
        to[x] = Normalise(*work.model, static_cast<float>(ChannelOf(from[x], channel)), channel);
      }
    }
  }
}

/* --- The four neighbours at half-pixel centres, with no filter when shrinking ---------------------------------- */

/** The value at a fraction of the way from one to another. */
inline double Between(double from, double to, double fraction) { return from + fraction * (to - from); }

/** Interpolates a source row along x, in float64 as the reference does. */
void InterpolateRow(const Work &work, int32_t y, double *to) {
  const NeighboursView &columns = work.columns;
  const int32_t fitted = work.fitted_width;
  const auto width = static_cast<int32_t>(work.frame->width);
  for (int32_t x = 0; x < fitted;) {
    const int32_t begin = columns.first[x] & ~1;
    const int32_t end = Smaller(width, begin + kColumns);
    ReadRows(work, y, 1, begin, end - begin);
    int32_t last = x + 1;
    while (last < fitted && columns.second[last] < end) ++last;
    const Pixel *__restrict row = work.chunk->rows[0];
    double *__restrict red = to;
    double *__restrict green = red + fitted;
    double *__restrict blue = green + fitted;
    for (int32_t i = x; i < last; ++i) {
      const Pixel left = row[columns.first[i] - begin];
      const Pixel right = row[columns.second[i] - begin];
      const double across = columns.fraction[i];
      red[i] = Between(ChannelOf(left, 0), ChannelOf(right, 0), across);
      green[i] = Between(ChannelOf(left, 1), ChannelOf(right, 1), across);
      blue[i] = Between(ChannelOf(left, 2), ChannelOf(right, 2), across);
    }
    x = last;
  }
}

void Bilinear(const Work &work) {
  const int32_t fitted = work.fitted_width;
  double *rows[] = {work.interpolated, work.interpolated + static_cast<size_t>(3) * fitted};
  int32_t held[] = {-1, -1};
  for (int32_t y = 0; y < work.fitted_height; ++y) {
    const int32_t wanted[] = {work.lines.first[y], work.lines.second[y]};
    if (held[1] == wanted[0]) {
      double *const swapped = rows[0];
      rows[0] = rows[1];
      rows[1] = swapped;
      held[1] = held[0];
      held[0] = wanted[0];
    }
    for (int i = 0; i < 2; ++i) {
      if (held[i] == wanted[i]) continue;
      InterpolateRow(work, wanted[i], rows[i]);
      held[i] = wanted[i];
    }
    const double down = work.lines.fraction[y];
    for (int channel = 0; channel < 3; ++channel) {
      const double *__restrict top = rows[0] + static_cast<size_t>(channel) * fitted;
      const double *__restrict bottom = rows[1] + static_cast<size_t>(channel) * fitted;
      float *__restrict to = RowOfInput(work, channel, y);
      for (int32_t x = 0; x < fitted; ++x) {
        const auto value = static_cast<float>(Between(top[x], bottom[x], down));
        to[x] = Normalise(*work.model, value, channel);
      }
    }
  }
}

/* --- Scores ---------------------------------------------------------------------------------------------------- */

/** No comparison is true of NaN. */
inline bool IsQuiet(float value, float least) { return value <= least && value > -__builtin_inff(); }

uint32_t FindLoudValues(const float *values, uint32_t begin, uint32_t end, float least, uint32_t *found,
                        uint32_t room) {
  // Mostly none of a block is loud, which is seen without a branch for each.
  constexpr uint32_t kTogether = 64;
  uint32_t count = 0;
  for (uint32_t at = begin; at < end;) {
    if (end - at >= kTogether) {
      int32_t quiet = 0;
      for (uint32_t i = 0; i < kTogether; ++i) {
        quiet +=
            static_cast<int32_t>(values[at + i] <= least) & static_cast<int32_t>(values[at + i] > -__builtin_inff());
      }
      if (quiet == static_cast<int32_t>(kTogether)) {
        at += kTogether;
        continue;
      }
    }
    const uint32_t stop = end - at < kTogether ? end : at + kTogether;
    for (; at < stop; ++at) {
      if (IsQuiet(values[at], least)) continue;
      found[count++] = at;
      if (count == room) return count;
    }
  }
  return count;
}

void DoWork(const Work &work) {
  if (work.model->resize == ED_ANTIALIASED) {
    Antialiased(work);
  } else {
    Bilinear(work);
  }
  FillBeside(work);
}

}  // namespace
