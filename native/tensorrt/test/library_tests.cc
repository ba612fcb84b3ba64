/*
 * How a backend finds its libraries, and what it says of those that it does not find:
 *
 *     library_tests BACKEND LIBRARY PARSER VERSION FOLDER OTHER
 *
 * LIBRARY and PARSER are file names that the backend looks for, VERSION what the library in FOLDER says of itself,
 * OTHER another family's TensorRT.
 *
 * With a driver, tests of its absence are skipped.
 */
#include <fstream>

#include "testing.h"

namespace {

const ed_backend *backend;
const char *library_name;
const char *parser_name;
const char *version;
std::string folder;
const char *other_library;

Answer AttachTo(const std::string &path) { return Call(backend->attach, path.c_str()); }

void NothingWorksUnattached() {
  ed_probe probe{};
  CHECK(Call(backend->probe, 0u, &probe).status != ED_OK);
  CHECK(std::string(probe.library_version).empty());
  // What can be told is told.
  CHECK(!std::string(probe.cuda_version).empty());
}

void AnEmptyFolder() {
  const Folder empty;
  CHECK_ANSWER(AttachTo(empty.path()), ED_NO_LIBRARY, "was not found: there is no " + std::string(library_name));
  CHECK_ANSWER(AttachTo("/nowhere"), ED_NO_LIBRARY, "in /nowhere");
}

void NothingInstalled() {
  if (dlopen(library_name, RTLD_NOW | RTLD_LOCAL) != nullptr) {
    std::printf("skipped: %s is installed here\n", library_name);
    return;
  }
  CHECK_ANSWER(Call(backend->attach, nullptr), ED_NO_LIBRARY, "on none of the system's library paths. Install ");
}

void NotALibrary() {
  const Folder text;
  std::ofstream(text.path() + "/" + library_name) << "version https://git-lfs.github.com/spec/v1\n";
  CHECK_ANSWER(AttachTo(text.path()), ED_NOT_A_LIBRARY, "could not open it as a library");
}

void AnotherLibrary() {
  const Folder backend_itself;
  Dl_info info;
  CHECK(dladdr(reinterpret_cast<const void *>(backend->attach), &info) != 0);
  backend_itself.Link(info.dli_fname, library_name);
  CHECK_ANSWER(AttachTo(backend_itself.path()), ED_NOT_A_LIBRARY, "it has no function getInferLibVersion");
}

void TheWrongMajor() {
  const Folder wrong;
  wrong.Link(other_library, library_name);
  CHECK_ANSWER(AttachTo(wrong.path()), ED_WRONG_VERSION, "and this backend works with TensorRT");
}

void FailuresMayBeMended() {
  const Folder mended;
  CHECK_ANSWER(AttachTo(mended.path()), ED_NO_LIBRARY, "there is no");
  mended.Link(other_library, library_name);
  CHECK_ANSWER(AttachTo(mended.path()), ED_WRONG_VERSION, "has version");
  std::filesystem::remove(mended.path() + "/" + library_name);
  mended.Link(folder + "/" + library_name, library_name);
  CHECK_ANSWER(AttachTo(mended.path()), ED_OK, "");
}

void OneFolderForAProcess() {
  CHECK_ANSWER(AttachTo(folder), ED_OK, "");
  CHECK_ANSWER(AttachTo(folder + "/."), ED_OK, "");
  const Folder second;
  CHECK_ANSWER(AttachTo(second.path()), ED_INVALID, "start another process");
  CHECK_ANSWER(Call(backend->attach, nullptr), ED_INVALID, "start another process");
}

void WithoutAParser() {
  const Folder bare;
  bare.Link(folder + "/" + library_name, library_name);
  CHECK_ANSWER(AttachTo(bare.path()), ED_OK, "");
  ed_probe probe{};
  Call(backend->probe, 0u, &probe);
  CHECK(probe.can_build == 0);
  CHECK(std::string(probe.description).find("no ONNX parser") != std::string::npos);

  const int32_t cancel = 0;
  ed_build_options options{};
  options.max_batch_size = 1;
  options.optimisation_level = -1;
  options.cancel = &cancel;
  const uint32_t target = 89;
  if (std::string(backend->name) == "tensorrt-rtx") {
    options.targets = &target;
    options.target_count = 1;
  } else if (probe.device_count == 0) {
    return;
  }
  ed_bytes plan{};
  const uint8_t byte = 0;
  CHECK_ANSWER(Call(backend->build, &byte, size_t{1}, &options, &plan), ED_NO_PARSER,
               std::string("ONNX parser was not found: there is no ") + parser_name);
}

void TheProbeTellsOfAMissingDriver() {
  CHECK_ANSWER(AttachTo(folder), ED_OK, "");
  ed_probe probe{};
  const Answer answer = Call(backend->probe, 0u, &probe);
  CHECK(std::string(probe.library_version) == version);
  std::printf("%s: %s\n%s\n", backend->name, probe.description, answer.message.c_str());
  if (std::string(probe.driver_version).empty()) {
    CHECK_ANSWER(answer, ED_NO_DRIVER, "There is no NVIDIA driver");
    CHECK(probe.device_count == 0);
    // Only TensorRT-RTX builds for devices that are not there.
    CHECK(probe.can_build == (std::string(backend->name) == "tensorrt-rtx"));
    ed_bytes json{};
    const uint8_t byte = 0;
    CHECK_ANSWER(Call(backend->inspect, &byte, size_t{1}, 0u, &json), ED_NO_DRIVER, "There is no NVIDIA driver");
  }
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 7);
  backend = OpenBackend(argv[1]);
  library_name = argv[2];
  parser_name = argv[3];
  version = argv[4];
  folder = argv[5];
  other_library = argv[6];
  RUN_APART(NothingWorksUnattached);
  RUN_APART(AnEmptyFolder);
  RUN_APART(NothingInstalled);
  RUN_APART(NotALibrary);
  RUN_APART(AnotherLibrary);
  RUN_APART(TheWrongMajor);
  RUN_APART(FailuresMayBeMended);
  RUN_APART(OneFolderForAProcess);
  RUN_APART(WithoutAParser);
  RUN_APART(TheProbeTellsOfAMissingDriver);
  return 0;
}
