#include "library.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <algorithm>
#include <mutex>

#include "detections_plugin.h"
#include "log.h"

namespace efficientdet {

namespace {

std::mutex attach_mutex;
/** Never freed: threads may outlive static destructors at exit. */
const Library *attached = nullptr;

/** The folder's one name, whatever links lead to it; as given if there is none of that name. */
std::string RealPath(const std::string &folder) {
  char *real = realpath(folder.c_str(), nullptr);
  if (real == nullptr) return folder;
  std::string path = real;
  free(real);
  return path;
}

/** An opened library; closed again if it is not kept, so that a refused one is not found the next time. */
class SharedObject {
 public:
  /** @throws Failure ED_NO_LIBRARY, ED_NOT_A_LIBRARY */
  SharedObject(const std::string &folder, const std::string &file, const std::string &product)
      : path_(folder.empty() ? file : folder + "/" + file) {
    // Local: the families define the same names.
    handle_ = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return;
    const std::string reason = dlerror();
    if (reason == path_ + ": cannot open shared object file: No such file or directory") {
      throw Failure{ED_NO_LIBRARY, product + " was not found: " +
                                       (folder.empty() ? file + " is on none of the system's library paths. Install " +
                                                             product + ", or name the folder of its libraries."
                                                       : "there is no " + file + " in " + folder + ".")};
    }
    throw Failure{ED_NOT_A_LIBRARY, path_ + " is there, but the system could not open it as a library: " + reason};
  }

  ~SharedObject() {
    if (handle_ != nullptr) dlclose(handle_);
  }

  SharedObject(const SharedObject &) = delete;
  SharedObject &operator=(const SharedObject &) = delete;

  /** A function's address; null if there is none of that name. */
  template <typename Function>
  Function *Find(const char *name) const {
    return reinterpret_cast<Function *>(dlsym(handle_, name));
  }

  /** Writes a function's address. @throws Failure ED_NOT_A_LIBRARY if there is none of that name. */
  template <typename Function>
  void Find(const char *name, Function *&function, const std::string &product) const {
    function = Find<Function>(name);
    if (function == nullptr) {
      throw Failure{ED_NOT_A_LIBRARY,
                    path_ + " is a library, but not " + product + ": it has no function " + name + "."};
    }
  }

  void Keep() { handle_ = nullptr; }

  const std::string &path() const { return path_; }

 private:
  std::string path_;
  void *handle_ = nullptr;
};

}  // namespace

std::string VersionText(int32_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

Library::Library(const std::string &folder) : folder_(folder) {
  SharedObject object(folder, family::kLibrary, family::kProduct);
  int32_t (*get_version)() = nullptr;
  object.Find("getInferLibVersion", get_version, family::kProduct);
  version_ = get_version();
  if (version_ / 10000 != family::kMajor || version_ < family::kOldest) {
    throw Failure{ED_WRONG_VERSION, object.path() + " has version " + VersionText(version_) +
                                        ", and this backend works with " + family::kProduct + " from version " +
                                        VersionText(family::kOldest) + " on."};
  }
  object.Find("createInferBuilder_INTERNAL", create_builder_, family::kProduct);
  object.Find("createInferRuntime_INTERNAL", create_runtime_, family::kProduct);
  object.Find("getPluginRegistry", get_plugins_, family::kProduct);
  // The builder's further libraries (libnvinfer_builder_resource*.so.*) are looked for where the system looks, unless
  // told; 10.15 has no such function and looks beside itself (RUNPATH $ORIGIN).
  const auto set_path = object.Find<bool(const char *)>("setInternalLibraryPath");
  if (set_path != nullptr && !folder.empty()) set_path(folder.c_str());
  try {
    const std::string product = std::string(family::kProduct) + "'s ONNX parser";
    SharedObject parser(folder, family::kParserLibrary, product);
    parser.Find("createNvOnnxParser_INTERNAL", create_parser_, product);
    parser.Keep();
  } catch (const Failure &failure) {
    // Only building needs it.
    parser_failure_ = failure.message;
  }
  object.Keep();
}

void Library::Attach(const char *folder) {
  const std::string real = folder == nullptr ? "" : RealPath(folder);
  std::lock_guard<std::mutex> lock(attach_mutex);
  if (attached == nullptr) {
    auto *library = new Library(real);
    if constexpr (family::kHasPlugins) RegisterDetectionsPlugin(*library->plugins());
    attached = library;
  } else if (real != attached->folder_) {
    const auto name = [](const std::string &path) { return path.empty() ? "the system's library paths" : path; };
    throw Failure{ED_INVALID, std::string(family::kProduct) + " was taken from " + name(attached->folder_) +
                                  " and cannot be taken from " + name(real) + " too: start another process for that."};
  }
}

const Library *Library::Find() {
  std::lock_guard<std::mutex> lock(attach_mutex);
  return attached;
}

const Library &Library::Attached() {
  const Library *library = Find();
  if (library == nullptr) throw Failure{ED_FAILED, "The backend is used before it was attached to its libraries."};
  return *library;
}

// The version tells the library what we were compiled for; an older one need not know of ours, of which we use no more
// than it has.
std::unique_ptr<nvinfer1::IBuilder> Library::CreateBuilder() const {
  const auto version = std::min<int32_t>(version_, NV_TENSORRT_VERSION);
  return std::unique_ptr<nvinfer1::IBuilder>(static_cast<nvinfer1::IBuilder *>(create_builder_(&Log(), version)));
}

std::unique_ptr<nvinfer1::IRuntime> Library::CreateRuntime() const {
  const auto version = std::min<int32_t>(version_, NV_TENSORRT_VERSION);
  return std::unique_ptr<nvinfer1::IRuntime>(static_cast<nvinfer1::IRuntime *>(create_runtime_(&Log(), version)));
}

std::unique_ptr<nvonnxparser::IParser> Library::CreateParser(nvinfer1::INetworkDefinition &network) const {
  if (create_parser_ == nullptr) throw Failure{ED_NO_PARSER, parser_failure_};
  return std::unique_ptr<nvonnxparser::IParser>(
      static_cast<nvonnxparser::IParser *>(create_parser_(&network, &Log(), NV_ONNX_PARSER_VERSION)));
}

}  // namespace efficientdet
