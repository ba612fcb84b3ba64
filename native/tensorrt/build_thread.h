#pragma once

#include "efficientdet_backend.h"

namespace efficientdet {

/**
 * Builds an engine on a thread of its own, and tells of its progress and log on the caller's.
 *
 * A cancelled build is waited for at most a second, as TensorRT's steps may take long. Its thread then ends at the
 * next step and frees everything.
 *
 * A process that exits meanwhile waits for it: TensorRT does not bear being taken down at work.
 *
 * @throws Failure as BuildEngine does, and ED_CANCELLED.
 */
void BuildOnThread(const uint8_t *onnx, size_t size, const ed_build_options &options, ed_bytes *plan);

/** Memory that the contract's free_bytes frees. @throws std::bad_alloc */
ed_bytes CopyBytes(const void *data, size_t size);

}  // namespace efficientdet
