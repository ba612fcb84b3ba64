#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/**
 * Copies a frame past the caches where the processor can: nobody on this core reads the copy. Takes half of memcpy's
 * time (bench/native.mjs).
 */
inline void CopyFrame(uint8_t *to, const uint8_t *from, size_t size) {
  size_t done = 0;
#ifdef __SSE2__
  constexpr size_t kVector = sizeof(__m128i);
  const size_t unaligned = (kVector - reinterpret_cast<uintptr_t>(to) % kVector) % kVector;
  if (size > unaligned) {
    std::memcpy(to, from, unaligned);
    for (done = unaligned; done + kVector <= size; done += kVector) {
      const __m128i vector = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + done));
      _mm_stream_si128(reinterpret_cast<__m128i *>(to + done), vector);
    }
    // The engine's thread must see all of it once it is told of the job.
    _mm_sfence();
  }
#endif
  std::memcpy(to + done, from + done, size - done);
}
