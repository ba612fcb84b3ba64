#include "taps.h"

#include <algorithm>
#include <cmath>

// Pillow rounds by cutting what 0.5 was added to.
// NOLINTBEGIN(bugprone-incorrect-roundings)
void Taps::Set(int32_t from, int32_t to) {
  if (from == from_ && to == to_) return;
  // Set last: memory may not suffice.
  from_ = to_ = 0;
  const double scale = static_cast<double>(from) / to;
  const double support = std::max(scale, 1.0);
  begin_.resize(to);
  offset_.resize(static_cast<size_t>(to) + 1);
  Reuse(weights_);
  Reuse(line_);
  longest_ = 0;
  for (int32_t i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int32_t begin = std::max(0, static_cast<int32_t>(centre - support + 0.5));
    const int32_t end = std::min(from, static_cast<int32_t>(centre + support + 0.5));
    line_.clear();
    double sum = 0;
    for (int32_t j = begin; j < end; ++j) {
      // Pillow multiplies by the reciprocal, which may differ from a division in the last bit.
      const double weight = std::max(0.0, 1 - std::fabs((j - centre + 0.5) * (1 / support)));
      line_.push_back(weight);
      sum += weight;
    }
    const double share = sum == 0 ? 1 : 1 / sum;
    begin_[i] = begin;
    offset_[i] = static_cast<int32_t>(weights_.size());
    for (const double weight : line_) {
      weights_.push_back(static_cast<int32_t>(0.5 + weight * share * (1 << kFractionBits)));
    }
    longest_ = std::max(longest_, end - begin);
  }
  offset_[to] = static_cast<int32_t>(weights_.size());
  from_ = from;
  to_ = to;
}
// NOLINTEND(bugprone-incorrect-roundings)

void Neighbours::Set(int32_t from, int32_t to) {
  if (from == from_ && static_cast<size_t>(to) == first_.size()) return;
  from_ = 0;
  first_.resize(to);
  second_.resize(to);
  fraction_.resize(to);
  const double scale = static_cast<double>(from) / to;
  for (int32_t i = 0; i < to; ++i) {
    const double position = (i + 0.5) * scale - 0.5;
    const double before = std::floor(position);
    // Outside of the first and last centre the border sample alone counts.
    first_[i] = std::min(std::max(static_cast<int32_t>(before), 0), from - 1);
    second_[i] = std::min(std::max(static_cast<int32_t>(before) + 1, 0), from - 1);
    fraction_[i] = static_cast<float>(position - before);
  }
  from_ = from;
}
