/*
 * The kernels that TensorRT-RTX compiles on the way: the backend for it, over the stand-ins for CUDA and TensorRT-RTX.
 *
 *   kernel_cache_tests BACKEND FOLDER
 */
#include <string>
#include <vector>

#include "testing.h"

namespace {

const ed_backend *backend;
int *compiled_kernels;

constexpr uint32_t kBatchSizes = 4;
const std::string kPlan = "stand-in 8 256 32 90 0 0 0 1 2 4 8";

struct Load {
  Answer answer;
  /** How many kernels it compiled. */
  int compiled;
  /** What it gave for later loads. */
  std::string kernels;
};

Load LoadWith(const std::string &known, uint32_t contexts = 2) {
  const std::vector<float> anchors(size_t{32} * 4, 8.0f);
  ed_model model{};
  model.input_height = 8;
  model.input_width = 256;
  model.classes = 90;
  model.anchor_count = 32;
  model.anchors = anchors.data();
  for (float &deviation : model.std) deviation = 1;
  model.resize = ED_BILINEAR;
  ed_bytes kernels{};
  ed_load_options options{};
  options.contexts = contexts;
  options.kernels = reinterpret_cast<const uint8_t *>(known.data());
  options.kernels_size = known.size();
  options.kernels_out = &kernels;
  ed_engine *engine = nullptr;
  const int before = *compiled_kernels;
  Load load{
      Call(backend->load, reinterpret_cast<const uint8_t *>(kPlan.data()), kPlan.size(), &model, &options, &engine),
      0,
      {}};
  load.compiled = *compiled_kernels - before;
  if (kernels.data != nullptr) {
    load.kernels.assign(reinterpret_cast<const char *>(kernels.data), kernels.size);
    backend->free_bytes(&kernels);
  }
  if (engine != nullptr) backend->destroy(engine);
  return load;
}

void KernelsAreCompiledOnceForAllContextsAndKept() {
  const Load first = LoadWith("");
  CHECK_ANSWER(first.answer, ED_OK, "");
  CHECK(first.compiled == kBatchSizes && !first.kernels.empty());

  const Load second = LoadWith(first.kernels);
  CHECK_ANSWER(second.answer, ED_OK, "");
  CHECK(second.compiled == 0);
  // There is nothing new to keep.
  CHECK(second.kernels.empty());
}

void KernelsThatDoNotFitAreCompiledAnew() {
  const Load load = LoadWith("another version's kernels");
  CHECK_ANSWER(load.answer, ED_OK, "");
  CHECK(load.compiled == kBatchSizes && !load.kernels.empty());
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3);
  backend = OpenBackend(argv[1]);
  CHECK_ANSWER(Call(backend->attach, argv[2]), ED_OK, "");
  void *library = dlopen((std::string(argv[2]) + "/libtensorrt_rtx.so.1").c_str(), RTLD_NOW | RTLD_NOLOAD);
  CHECK(library != nullptr);
  compiled_kernels = static_cast<int *>(dlsym(library, "compiled_kernels"));
  CHECK(compiled_kernels != nullptr);
  KernelsAreCompiledOnceForAllContextsAndKept();
  KernelsThatDoNotFitAreCompiledAnew();
  return 0;
}
