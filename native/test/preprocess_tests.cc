/*
 * Tests of preprocessing and of the search for scores on the CPU, plainly and under sanitizers (CMake's
 * EFFICIENTDET_SANITIZE). Each function is one; a failed CHECK ends the program.
 *
 * What it computes, test/backends/preprocessor.test.ts compares with the TypeScript reference; here is what that cannot
 * see: reads beyond a frame, and threads.
 */
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "codes.h"
#include "preprocessor.h"

namespace {

/** Noise in memory of its own, of which not one byte is beyond what the format asks for. */
class NoiseFrame {
 public:
  NoiseFrame(ed_format format, uint32_t width, uint32_t height, uint32_t gap, std::mt19937 &random) {
    constexpr uint32_t kBytes[] = {3, 4, 3, 4, 1, 1, 1};
    const uint32_t chroma_width = (width + 1) / 2;
    const uint32_t chroma_height = (height + 1) / 2;
    frame_.format = format;
    frame_.matrix = static_cast<ed_matrix>(random() % 3);
    frame_.range = static_cast<ed_range>(random() % 2);
    frame_.width = width;
    frame_.height = height;
    AddPlane(width * kBytes[format], gap, height, random);
    if (format == ED_NV12) AddPlane(2 * chroma_width, gap, chroma_height, random);
    if (format == ED_I420) {
      for (int i = 0; i < 2; ++i) AddPlane(chroma_width, gap, chroma_height, random);
    }
  }

  const ed_frame &get() const { return frame_; }

 private:
  void AddPlane(uint32_t row, uint32_t gap, uint32_t rows, std::mt19937 &random) {
    std::vector<uint8_t> &plane = planes_[count_];
    // The last row has no gap after it.
    plane.resize(static_cast<size_t>(row + gap) * (rows - 1) + row);
    plane.shrink_to_fit();
    for (uint8_t &byte : plane) byte = static_cast<uint8_t>(random());
    frame_.planes[count_] = plane.data();
    frame_.strides[count_] = row + gap;
    ++count_;
  }

  ed_frame frame_{};
  int count_ = 0;
  std::vector<uint8_t> planes_[3];
};

InputModel Model(int32_t width, int32_t height, ed_resize resize) {
  return {width, height, resize, {124, 116, 104}, {58, 57, 57}, {0.5f, 0.25f, 0.125f}};
}

std::vector<float> Input(const InputModel &model) { return std::vector<float>(size_t{3} * model.height * model.width); }

bool AreSame(const std::vector<float> &a, const std::vector<float> &b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void AllCodesMakeTheSameOfFramesWithoutAByteToSpare() {
  std::mt19937 random(1);
  const std::vector<Code> codes = CodesForThisProcessor();
  for (int round = 0; round < 300; ++round) {
    const auto side = [&random](uint32_t most) { return 1 + random() % (1 + random() % most); };
    const NoiseFrame frame(static_cast<ed_format>(random() % 7), side(round % 20 == 0 ? 3000 : 200), side(200),
                           random() % 2 * (random() % 30), random);
    const InputModel model = Model(static_cast<int32_t>(side(120)), static_cast<int32_t>(side(120)),
                                   random() % 2 == 0 ? ED_ANTIALIASED : ED_BILINEAR);
    std::vector<float> expected = Input(model);
    Preprocessor(model, codes.back()).Run(frame.get(), expected.data());
    for (const Code &code : codes) {
      std::vector<float> input = Input(model);
      Preprocessor(model, code).Run(frame.get(), input.data());
      CHECK(AreSame(input, expected));
    }
  }
}

void AllCodesFindTheSameLoudValues() {
  std::mt19937 random(3);
  const std::vector<Code> codes = CodesForThisProcessor();
  for (int round = 0; round < 500; ++round) {
    std::vector<float> values(random() % 400);
    for (float &value : values) value = static_cast<float>(random() % 50) / 8 - 5;
    if (!values.empty() && round % 3 == 0) {
      const float odd[] = {NAN, INFINITY, -INFINITY};
      values[random() % values.size()] = odd[random() % 3];
    }
    const auto count = static_cast<uint32_t>(values.size());
    const uint32_t begin = random() % (count + 1);
    const uint32_t room = 1 + random() % 40;
    std::vector<uint32_t> expected(room);
    expected.resize(codes.back().find_loud(values.data(), begin, count, 0.5f, expected.data(), room));
    for (const Code &code : codes) {
      std::vector<uint32_t> found(room);
      found.resize(code.find_loud(values.data(), begin, count, 0.5f, found.data(), room));
      CHECK(found == expected);
    }
  }
}

void PreprocessorsOfSeveralThreadsKnowNothingOfEachOther() {
  std::mt19937 random(2);
  const NoiseFrame frame(ED_NV12, 333, 222, 5, random);
  const InputModel model = Model(96, 64, ED_ANTIALIASED);
  std::vector<float> expected = Input(model);
  Preprocessor(model, CodesForThisProcessor().front()).Run(frame.get(), expected.data());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Preprocessor preprocessor(model, CodesForThisProcessor().front());
      std::vector<float> input = Input(model);
      for (int round = 0; round < 10; ++round) {
        preprocessor.Run(frame.get(), input.data());
        CHECK(AreSame(input, expected));
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
}

}  // namespace

int main() {
  AllCodesFindTheSameLoudValues();
  AllCodesMakeTheSameOfFramesWithoutAByteToSpare();
  PreprocessorsOfSeveralThreadsKnowNothingOfEachOther();
}
