/* The work as it was compiled for each kind of processor. */
#pragma once

#include <vector>

#include "work.h"

extern const Code kPlainCode;
#if defined(__x86_64__)
extern const Code kAvx2Code;
extern const Code kAvx512Code;
#endif

/** What can run on this processor, the fastest first. The plain one, with NEON on arm64, always can. */
std::vector<Code> CodesForThisProcessor();
