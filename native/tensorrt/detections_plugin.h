#pragma once

#include "family.h"

namespace efficientdet {

/** What the plugin is known by to TensorRT's registry and in graphs: an ONNX node of this type and domain. */
inline constexpr const char *kPluginName = "EfficientDetDetections";
inline constexpr const char *kPluginVersion = "2";
inline constexpr const char *kPluginNamespace = "efficientdet";

/**
 * Makes the plugin known that turns a network's raw outputs into detections. It takes, for batches of N frames,
 *
 *     box_regression/p3… N×(4·B)×H×W, then class_logits/p3… N×(C·B)×H×W, for B anchors in a cell,
 *     anchors A×4, class_thresholds N×C and postprocess N×8
 *
 * the levels in float32, float16 or bfloat16, channels last and filled up to vectors of 16 bytes, the others in
 * float32, as DetectionsInputs of native/cuda/detections.h tells, and gives
 *
 *     detections N×K×6 in float32 and counts N×4 in int32, as DetectionsOutputs tells.
 *
 * Its fields are limits, int32: `capacity`, the K, and `candidates`, how many class scores enter non-maximum
 * suppression (default 5000). All else is an input, to build no engine twice.
 *
 * @throws Failure ED_FAILED if the registry refuses.
 */
void RegisterDetectionsPlugin(nvinfer1::IPluginRegistry &registry);

}  // namespace efficientdet
