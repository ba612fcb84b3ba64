#pragma once

#include <memory>
#include <string>

#include "family.h"

namespace efficientdet {

/** "10.15.1" of 101501. */
std::string VersionText(int32_t version);

/**
 * TensorRT in this process, found at run time, so that a backend without it can say so. No class is touched before
 * its version is known.
 */
class Library {
 public:
  /**
   * Opens TensorRT and its parser in a folder, or where the system looks if null, and registers our plugins. Does
   * nothing the second time.
   *
   * @throws Failure ED_NO_LIBRARY, ED_NOT_A_LIBRARY or ED_WRONG_VERSION; ED_INVALID for a second folder.
   */
  static void Attach(const char *folder);

  /** Null before `Attach`. */
  static const Library *Find();

  /** @throws Failure ED_FAILED before `Attach`. */
  static const Library &Attached();

  /** As getInferLibVersion tells it. */
  int32_t version() const { return version_; }

  bool has_parser() const { return create_parser_ != nullptr; }

  /** Null if TensorRT refuses; why, its log says. */
  std::unique_ptr<nvinfer1::IBuilder> CreateBuilder() const;
  std::unique_ptr<nvinfer1::IRuntime> CreateRuntime() const;
  /** @throws Failure ED_NO_PARSER. */
  std::unique_ptr<nvonnxparser::IParser> CreateParser(nvinfer1::INetworkDefinition &network) const;

  nvinfer1::IPluginRegistry *plugins() const { return get_plugins_(); }

 private:
  Library(const std::string &folder);

  std::string folder_;
  int32_t version_ = 0;
  /** Why there is no parser. */
  std::string parser_failure_;

  void *(*create_builder_)(void *logger, int32_t version) = nullptr;
  void *(*create_runtime_)(void *logger, int32_t version) = nullptr;
  void *(*create_parser_)(void *network, void *logger, int version) = nullptr;
  nvinfer1::IPluginRegistry *(*get_plugins_)() = nullptr;
};

}  // namespace efficientdet
