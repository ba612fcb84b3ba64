#include "codes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "target.h"

BEGIN_TARGET("avx2")
namespace {
#include "sums_avx2.h"
}
#include "compiled.h"

const Code kAvx2Code = {"avx2", DoWork, FindLoudValues};
END_TARGET

#endif
