/*
 * The plugin in the registry of a real TensorRT, compiled with its headers:
 *
 *   plugin_tests BACKEND FOLDER LIBRARY
 */
#include <NvInferRuntime.h>

#include <cstring>
#include <memory>
#include <vector>

#include "testing.h"

namespace {

using nvinfer1::DataType;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::IPluginCreatorV3One;
using nvinfer1::IPluginV3;
using nvinfer1::IPluginV3OneBuild;
using nvinfer1::IPluginV3OneRuntime;
using nvinfer1::PluginCapabilityType;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;
using nvinfer1::TensorFormat;
using nvinfer1::TensorRTPhase;

IPluginCreatorV3One *creator;

std::unique_ptr<IPluginV3> Make(const std::vector<PluginField> &fields, TensorRTPhase phase = TensorRTPhase::kBUILD) {
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  return std::unique_ptr<IPluginV3>(creator->createPlugin("detections", &collection, phase));
}

template <typename Capability>
Capability *As(IPluginV3 &plugin, PluginCapabilityType type) {
  return static_cast<Capability *>(plugin.getCapabilityInterface(type));
}

int32_t IntegerIn(const PluginFieldCollection &fields, const char *name) {
  for (int32_t i = 0; i < fields.nbFields; i++) {
    if (std::strcmp(fields.fields[i].name, name) != 0) continue;
    CHECK(fields.fields[i].type == PluginFieldType::kINT32 && fields.fields[i].length == 1);
    return *static_cast<const int32_t *>(fields.fields[i].data);
  }
  return -1;
}

const int32_t kHundred = 100;
const int32_t kThousand = 1000;
const PluginField kCapacity{"capacity", &kHundred, PluginFieldType::kINT32, 1};

void MadeFromFieldsAndFromItsOwn() {
  const PluginFieldCollection &names = *creator->getFieldNames();
  CHECK(names.nbFields == 2);
  CHECK(std::strcmp(names.fields[0].name, "capacity") == 0);

  const auto plugin = Make({kCapacity, {"candidates", &kThousand, PluginFieldType::kINT32, 1}});
  CHECK(plugin != nullptr);
  const PluginFieldCollection &kept =
      *As<IPluginV3OneRuntime>(*plugin, PluginCapabilityType::kRUNTIME)->getFieldsToSerialize();
  CHECK(IntegerIn(kept, "capacity") == 100);
  CHECK(IntegerIn(kept, "candidates") == 1000);

  const std::unique_ptr<IPluginV3> loaded(creator->createPlugin("detections", &kept, TensorRTPhase::kRUNTIME));
  CHECK(loaded != nullptr);
  const std::unique_ptr<IPluginV3> copy(loaded->clone());
  const PluginFieldCollection &again =
      *As<IPluginV3OneRuntime>(*copy, PluginCapabilityType::kRUNTIME)->getFieldsToSerialize();
  CHECK(IntegerIn(again, "capacity") == 100);
  CHECK(IntegerIn(again, "candidates") == 1000);

  // Plugins that do other things must not share measurements.
  const auto other = Make({kCapacity});
  CHECK(std::strcmp(As<IPluginV3OneBuild>(*plugin, PluginCapabilityType::kBUILD)->getTimingCacheID(),
                    As<IPluginV3OneBuild>(*other, PluginCapabilityType::kBUILD)->getTimingCacheID()) != 0);
  CHECK(std::strcmp(As<IPluginV3OneBuild>(*plugin, PluginCapabilityType::kBUILD)->getTimingCacheID(),
                    As<IPluginV3OneBuild>(*copy, PluginCapabilityType::kBUILD)->getTimingCacheID()) == 0);
}

void WrongFieldsMakeNone() {
  const int32_t zero = 0;
  const int32_t huge = 1 << 30;
  const float half = 0.5f;
  CHECK(Make({}) == nullptr);
  CHECK(Make({{"capacity", &zero, PluginFieldType::kINT32, 1}}) == nullptr);
  CHECK(Make({{"capacity", &half, PluginFieldType::kFLOAT32, 1}}) == nullptr);
  CHECK(Make({{"capacity", &kHundred, PluginFieldType::kINT32, 2}}) == nullptr);
  CHECK(Make({kCapacity, {"candidates", &huge, PluginFieldType::kINT32, 1}}) == nullptr);
  CHECK(Make({kCapacity, {"plugin_version", "2", PluginFieldType::kCHAR, 1}}) != nullptr);
}

/** Inputs and outputs: five levels of two heads, and what follows. */
constexpr int32_t kInputs = 13;
constexpr int32_t kOutputs = 2;

/** Batches of up to 8 of D0's outputs with 90 classes. */
std::vector<DynamicPluginTensorDesc> Tensors(DataType heads) {
  const auto tensor = [](std::vector<int64_t> sizes, DataType type, TensorFormat format = TensorFormat::kLINEAR) {
    DynamicPluginTensorDesc made{};
    made.desc.type = type;
    made.desc.format = format;
    made.desc.dims.nbDims = static_cast<int32_t>(sizes.size());
    for (size_t i = 0; i < sizes.size(); i++) made.desc.dims.d[i] = sizes[i];
    made.min = made.opt = made.max = made.desc.dims;
    if (sizes[0] == -1) {
      made.min.d[0] = 5;
      made.opt.d[0] = made.max.d[0] = 8;
    }
    return made;
  };
  const bool wide = heads == DataType::kFLOAT;
  std::vector<DynamicPluginTensorDesc> tensors;
  for (const int64_t channels : {wide ? 36 : 40, wide ? 812 : 816}) {
    for (const int64_t side : {64, 32, 16, 8, 4}) {
      const TensorFormat format = wide ? TensorFormat::kHWC : TensorFormat::kHWC8;
      tensors.push_back(tensor({-1, channels, side, side}, heads, format));
    }
  }
  for (const auto &made :
       {tensor({49104, 4}, DataType::kFLOAT), tensor({-1, 90}, DataType::kFLOAT), tensor({-1, 8}, DataType::kFLOAT),
        tensor({-1, 100, 6}, DataType::kFLOAT), tensor({-1, 4}, DataType::kINT32)}) {
    tensors.push_back(made);
  }
  return tensors;
}

void TensorsAreChecked() {
  const auto plugin = Make({kCapacity});
  auto &build = *As<IPluginV3OneBuild>(*plugin, PluginCapabilityType::kBUILD);
  CHECK(build.getNbOutputs() == kOutputs);
  DataType types[kOutputs];
  CHECK(build.getOutputDataTypes(types, kOutputs, nullptr, kInputs) == 0);
  CHECK(types[0] == DataType::kFLOAT && types[1] == DataType::kINT32);
  // Levels come in pairs.
  CHECK(build.getOutputDataTypes(types, kOutputs, nullptr, kInputs - 1) != 0);
  CHECK(build.getOutputDataTypes(types, kOutputs, nullptr, 3) != 0);

  for (const DataType heads : {DataType::kFLOAT, DataType::kHALF, DataType::kBF16}) {
    std::vector<DynamicPluginTensorDesc> tensors = Tensors(heads);
    for (int32_t i = 0; i < kInputs + kOutputs; i++) {
      CHECK(build.supportsFormatCombination(i, tensors.data(), kInputs, kOutputs));
      const auto right = tensors[i];
      tensors[i].desc.type = DataType::kINT8;
      CHECK(!build.supportsFormatCombination(i, tensors.data(), kInputs, kOutputs));
      tensors[i] = right;
      tensors[i].desc.format = TensorFormat::kCHW32;
      CHECK(!build.supportsFormatCombination(i, tensors.data(), kInputs, kOutputs));
      tensors[i] = right;
    }
    // All levels have one type.
    tensors[7].desc = Tensors(heads == DataType::kHALF ? DataType::kBF16 : DataType::kHALF)[7].desc;
    CHECK(!build.supportsFormatCombination(7, tensors.data(), kInputs, kOutputs));
    tensors = Tensors(heads);
    CHECK(build.configurePlugin(tensors.data(), kInputs, tensors.data() + kInputs, kOutputs) == 0);
    CHECK(build.getWorkspaceSize(tensors.data(), kInputs, tensors.data() + kInputs, kOutputs) > 0);
  }

  auto &runtime = *As<IPluginV3OneRuntime>(*plugin, PluginCapabilityType::kRUNTIME);
  const auto changed = [&](int32_t input, int32_t dimension, int64_t size) {
    std::vector<nvinfer1::PluginTensorDesc> shapes;
    for (const auto &tensor : Tensors(DataType::kHALF)) {
      shapes.push_back(tensor.desc);
      if (shapes.back().dims.d[0] == -1) shapes.back().dims.d[0] = 8;
    }
    shapes[static_cast<size_t>(input)].dims.d[dimension] = size;
    return runtime.onShapeChange(shapes.data(), kInputs, shapes.data() + kInputs, kOutputs);
  };
  CHECK(changed(0, 0, 8) == 0);
  CHECK(changed(0, 0, 7) != 0);
  CHECK(changed(0, 1, 36) != 0);
  CHECK(changed(1, 2, 31) != 0);
  CHECK(changed(5, 1, 810) != 0);
  CHECK(changed(9, 0, 7) != 0);
  CHECK(changed(10, 0, 9) != 0);
  CHECK(changed(11, 1, 80) != 0);
  CHECK(changed(12, 1, 7) != 0);
}

/** As a library of plugins, which programs that know nothing of this package load. */
void LoadedByOtherPrograms(nvinfer1::IPluginRegistry &registry, const char *backend) {
  CHECK(registry.deregisterCreator(*creator));
  CHECK(registry.getCreator("EfficientDetDetections", "2", "efficientdet") == nullptr);
  const auto library = registry.loadLibrary(backend);
  CHECK(library != nullptr);
  CHECK(registry.getCreator("EfficientDetDetections", "2", "efficientdet") != nullptr);
  registry.deregisterLibrary(library);
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 4);
  const ed_backend *backend = OpenBackend(argv[1]);
  CHECK_ANSWER(Call(backend->attach, argv[2]), ED_OK, "");
  void *library = dlopen((std::string(argv[2]) + "/" + argv[3]).c_str(), RTLD_NOW | RTLD_NOLOAD);
  CHECK(library != nullptr);
  const auto registry = reinterpret_cast<nvinfer1::IPluginRegistry *(*)()>(dlsym(library, "getPluginRegistry"));
  creator = static_cast<IPluginCreatorV3One *>(registry()->getCreator("EfficientDetDetections", "2", "efficientdet"));
  CHECK(creator != nullptr);
  CHECK(registry()->getCreator("EfficientDetDetections", "1", "efficientdet") == nullptr);
#define RUN(test) \
  test();         \
  std::printf("ok %s\n", #test)
  RUN(MadeFromFieldsAndFromItsOwn);
  RUN(WrongFieldsMakeNone);
  RUN(TensorsAreChecked);
  LoadedByOtherPrograms(*registry(), argv[1]);
  std::puts("ok LoadedByOtherPrograms");
  return 0;
}
