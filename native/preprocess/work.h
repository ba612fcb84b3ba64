/* What a preprocessor hands to the code that was compiled for a kind of processor: plain memory, sized for the frame.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "efficientdet_backend.h"
#include "yuv_coefficients.h"

/** R, G and B in the low bytes; the fourth may be anything. */
using Pixel = uint32_t;

/** Source columns that are worked on at a time, which stay in the first-level cache. Even, as chroma is for two. */
constexpr int32_t kColumns = 1024;
/** Source rows that are filtered at the same time. */
constexpr int32_t kRows = 4;
/** Pixels of a row that are summed up at the same time. */
constexpr int32_t kBlock = 16;

/** Pillow's fixed-point fraction bits: 8-bit samples times weights that sum to 1 stay below 2³¹. */
constexpr int kFractionBits = 22;

/** How a network's input is made. */
struct InputModel {
  int32_t width;
  int32_t height;
  ed_resize resize;
  /** Per channel R, G, B, in pixel units 0…255. */
  float mean[3];
  float std[3];
  /** What lies beside the image, normalised. */
  float fill[3];
};

/** Sample i of a resized line is made of those from `begin[i]` on, with the weights `offset[i]` to `offset[i + 1]`. */
struct TapsView {
  const int32_t *begin;
  const int32_t *offset;
  const int32_t *weights;
};

/** The left or upper neighbour of each sample of a resized line, the next one, and how far (0…1) towards that. */
struct NeighboursView {
  const int32_t *first;
  const int32_t *second;
  const float *fraction;
};

/** Rows of a chunk on their way to RGB. */
struct ChunkScratch {
  Pixel rows[kRows][kColumns];
  /** The same, pixels of one column beside each other. */
  Pixel columns[kColumns][kRows];
  /** What chroma adds to grey, for each column. */
  int32_t red[kColumns];
  int32_t green[kColumns];
  int32_t blue[kColumns];
};

struct Work {
  const InputModel *model;
  const ed_frame *frame;
  YuvCoefficients yuv;
  /** Size of the image in the input. */
  int32_t fitted_width;
  int32_t fitted_height;
  ChunkScratch *chunk;

  // Antialiased.
  TapsView across;
  TapsView down;
  /** Unfinished sums of filtered columns: kRows × 4 for each. */
  int32_t *carried;
  /** Filtered rows, the last ones of the image so far, as a ring. */
  Pixel *ring;
  int32_t ring_rows;
  /** A row of the image in the input. */
  Pixel *finished;
  /** Pixels of a row of the ring and of the finished one: a multiple of kBlock. */
  int32_t row_pixels;

  // Bilinear.
  NeighboursView columns;
  NeighboursView lines;
  /** Two source rows with the width of the image in the input: three planes each. */
  double *interpolated;

  /** 3×H×W. */
  float *input;
};

/**
 * Finds values that are above one or not finite, in `begin` to `end`: writes their positions, ascending, until there
 * are `room`, and gives their number.
 */
using FindLoud = uint32_t(const float *values, uint32_t begin, uint32_t end, float least, uint32_t *found,
                          uint32_t room);

/** The work, compiled for a kind of processor. */
struct Code {
  const char *name;
  void (*work)(const Work &);
  FindLoud *find_loud;
};
