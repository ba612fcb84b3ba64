#include "codes.h"

#if defined(__x86_64__)
// GCC 12 takes the undefined vectors of its own header for a mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "target.h"

BEGIN_TARGET("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
namespace {
#include "sums_avx512.h"
}
#include "compiled.h"

const Code kAvx512Code = {"avx512", DoWork, FindLoudValues};
END_TARGET

#endif
