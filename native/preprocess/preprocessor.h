/* From frames to a network's input on the CPU; bit for bit lib/image/preprocess.ts. */
#pragma once

#include <cstdint>
#include <vector>

#include "taps.h"
#include "work.h"

/** Makes inputs of one network, one at a time. Keeps its memory, some rows of a frame, for the next. */
class Preprocessor {
 public:
  Preprocessor(const InputModel &model, const Code &code) : model_(model), code_(code), chunk_(1) {}

  /**
   * @param frame in the host's memory
   * @param input 3×H×W
   */
  void Run(const ed_frame &frame, float *input);

  int32_t height() const { return model_.height; }
  int32_t width() const { return model_.width; }

 private:
  const InputModel model_;
  const Code code_;
  std::vector<ChunkScratch> chunk_;
  Taps across_;
  Taps down_;
  std::vector<int32_t> carried_;
  std::vector<Pixel> ring_;
  std::vector<Pixel> finished_;
  Neighbours columns_;
  Neighbours lines_;
  std::vector<double> interpolated_;
};
