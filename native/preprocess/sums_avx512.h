/** Sixteen sums of weighted bytes. */
struct Sums {
  __m512i sums;

  static Sums Of(int32_t value) { return {_mm512_set1_epi32(value)}; }
  static Sums Load(const int32_t *from) { return {_mm512_loadu_si512(from)}; }
  void Save(int32_t *to) const { _mm512_storeu_si512(to, sums); }
  void Add(const uint8_t *bytes, int32_t weight) {
    const __m512i values = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(bytes)));
    sums = _mm512_add_epi32(sums, _mm512_mullo_epi32(values, _mm512_set1_epi32(weight)));
  }
  /** Writes them without their fraction, which leaves 0…255. */
  void StoreBytes(uint8_t *to) const {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm512_cvtepi32_epi8(_mm512_srli_epi32(sums, kFractionBits)));
  }
};
