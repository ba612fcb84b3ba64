/* The work as it was compiled for each kind of processor. */
#pragma once

#include <vector>

#include "work.h"

void WorkPlain(const Work &work);
#if defined(__x86_64__)
void WorkAvx2(const Work &work);
void WorkAvx512(const Work &work);
#endif

/** What can run on this processor, the fastest first. The plain one, with NEON on arm64, always can. */
std::vector<Code> CodesForThisProcessor();
