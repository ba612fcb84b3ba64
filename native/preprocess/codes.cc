#include "codes.h"

std::vector<Code> CodesForThisProcessor() {
  std::vector<Code> codes;
#if defined(__x86_64__)
  // These also ask whether the system saves the registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    codes.push_back(kAvx512Code);
  }
  if (__builtin_cpu_supports("avx2")) codes.push_back(kAvx2Code);
#endif
  codes.push_back(kPlainCode);
  return codes;
}
