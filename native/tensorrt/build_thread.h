#pragma once

#include "efficientdet_backend.h"

namespace efficientdet {

/**
 * Builds an engine on a thread of its own, and tells of its progress and log on the caller's.
 *
 * TensorRT looks at its progress monitor between steps, of which some take long, and does not while it reads a graph.
 * So a build that is cancelled is waited for, but not longer than a second; then the thread is left behind to end at
 * TensorRT's next step and to free what it holds. A process that exits meanwhile waits for that, as TensorRT does not
 * bear being taken down at work.
 *
 * @throws Failure as BuildEngine does, and ED_CANCELLED.
 */
void BuildOnThread(const uint8_t *onnx, size_t size, const ed_build_options &options, ed_bytes *plan);

/** Memory that the contract's free_bytes frees. @throws std::bad_alloc */
ed_bytes CopyBytes(const void *data, size_t size);

}  // namespace efficientdet
