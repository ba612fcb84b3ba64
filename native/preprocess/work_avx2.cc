#include "codes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "target.h"

BEGIN_TARGET("avx2")
namespace {
#include "sums_avx2.h"
}
#include "compiled.h"

void WorkAvx2(const Work &work) { DoWork(work); }
END_TARGET

#endif
