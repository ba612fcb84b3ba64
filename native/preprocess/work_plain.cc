#include "codes.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {
#if defined(__aarch64__)
#include "sums_neon.h"
#else
#include "sums_plain.h"
#endif
}  // namespace
#include "compiled.h"

#if defined(__aarch64__)
const Code kPlainCode = {"neon", DoWork, FindLoudValues};
#else
const Code kPlainCode = {"plain", DoWork, FindLoudValues};
#endif
