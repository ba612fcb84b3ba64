/* Which samples of a line make those of a resized one; twin of lib/image/antialiased.ts and bilinear.ts. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "work.h"

/** Values that are kept for the next picture at most: pictures of unusual shapes take more. */
constexpr size_t kKept = size_t{1} << 20;

/** Empties memory for anew, and gives it back if it is unusually much. */
template <class T>
void Reuse(std::vector<T> &values) {
  values.clear();
  if (values.capacity() > kKept) values.shrink_to_fit();
}

/** Pillow's triangle filter, which widens when shrinking. */
class Taps {
 public:
  /** Computes them, unless they are so already. */
  void Set(int32_t from, int32_t to);
  TapsView View() const { return {begin_.data(), offset_.data(), weights_.data()}; }
  /** Samples that make one, at most. */
  int32_t longest() const { return longest_; }

 private:
  int32_t from_ = 0;
  int32_t to_ = 0;
  int32_t longest_ = 0;
  std::vector<int32_t> begin_;
  std::vector<int32_t> offset_;
  std::vector<int32_t> weights_;
  std::vector<double> line_;
};

/** The two samples around each half-pixel centre. */
class Neighbours {
 public:
  /** Computes them, unless they are so already. */
  void Set(int32_t from, int32_t to);
  NeighboursView View() const { return {first_.data(), second_.data(), fraction_.data()}; }

 private:
  int32_t from_ = 0;
  std::vector<int32_t> first_;
  std::vector<int32_t> second_;
  std::vector<float> fraction_;
};
