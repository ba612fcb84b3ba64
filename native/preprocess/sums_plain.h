/** Sixteen sums of weighted bytes. */
struct Sums {
  int32_t sums[16];

  static Sums Of(int32_t value) {
    Sums result;
    for (int32_t &sum : result.sums) sum = value;
    return result;
  }
  static Sums Load(const int32_t *from) {
    Sums result;
    for (int i = 0; i < 16; ++i) result.sums[i] = from[i];
    return result;
  }
  void Save(int32_t *to) const {
    for (int i = 0; i < 16; ++i) to[i] = sums[i];
  }
  void Add(const uint8_t *bytes, int32_t weight) {
    for (int i = 0; i < 16; ++i) sums[i] += weight * bytes[i];
  }
  /** Writes them without their fraction, which leaves 0…255. */
  void StoreBytes(uint8_t *to) const {
    for (int i = 0; i < 16; ++i) to[i] = static_cast<uint8_t>(sums[i] >> kFractionBits);
  }
};
