/** Sixteen sums of weighted bytes. */
struct Sums {
  __m256i low;
  __m256i high;

  static Sums Of(int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }
  static Sums Load(const int32_t *from) {
    const auto *vectors = reinterpret_cast<const __m256i *>(from);
    return {_mm256_loadu_si256(vectors), _mm256_loadu_si256(vectors + 1)};
  }
  void Save(int32_t *to) const {
    auto *vectors = reinterpret_cast<__m256i *>(to);
    _mm256_storeu_si256(vectors, low);
    _mm256_storeu_si256(vectors + 1, high);
  }
  void Add(const uint8_t *bytes, int32_t weight) {
    const __m256i weights = _mm256_set1_epi32(weight);
    const auto *halves = reinterpret_cast<const __m128i *>(bytes);
    const __m256i first = _mm256_cvtepu8_epi32(_mm_loadl_epi64(halves));
    const __m256i second = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(bytes + 8)));
    low = _mm256_add_epi32(low, _mm256_mullo_epi32(first, weights));
    high = _mm256_add_epi32(high, _mm256_mullo_epi32(second, weights));
  }
  /** Writes them without their fraction, which leaves 0…255. */
  void StoreBytes(uint8_t *to) const {
    // Packing works on each half of a vector: words lie as 0-3, 8-11, 4-7, 12-15 until they are put in order.
    const __m256i words =
        _mm256_packus_epi32(_mm256_srli_epi32(low, kFractionBits), _mm256_srli_epi32(high, kFractionBits));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to), bytes);
  }
};
