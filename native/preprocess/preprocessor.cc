#include "preprocessor.h"

#include <algorithm>

#include "letterbox.h"

void Preprocessor::Run(const ed_frame &frame, float *input) {
  const auto width = static_cast<int32_t>(frame.width);
  const auto height = static_cast<int32_t>(frame.height);
  const Letterbox fitted = FitLetterbox(frame.width, frame.height, model_.width, model_.height);
  Work work{};
  work.model = &model_;
  work.frame = &frame;
  work.yuv = kYuvCoefficients[frame.matrix][frame.range];
  work.fitted_width = fitted.width;
  work.fitted_height = fitted.height;
  work.chunk = chunk_.data();
  work.input = input;
  if (model_.resize == ED_ANTIALIASED) {
    across_.Set(width, fitted.width);
    down_.Set(height, fitted.height);
    work.across = across_.View();
    work.down = down_.View();
    work.row_pixels = (fitted.width + kBlock - 1) / kBlock * kBlock;
    // What a row of the image is made of, and what was filtered beyond that.
    work.ring_rows = std::min(height, down_.longest() + kRows);
    carried_.resize(static_cast<size_t>(fitted.width) * 4 * kRows);
    Reuse(ring_);
    ring_.resize(static_cast<size_t>(work.ring_rows) * work.row_pixels);
    finished_.resize(work.row_pixels);
    work.carried = carried_.data();
    work.ring = ring_.data();
    work.finished = finished_.data();
  } else {
    columns_.Set(width, fitted.width);
    lines_.Set(height, fitted.height);
    work.columns = columns_.View();
    work.lines = lines_.View();
    interpolated_.resize(size_t{2} * 3 * fitted.width);
    work.interpolated = interpolated_.data();
  }
  code_.work(work);
}
