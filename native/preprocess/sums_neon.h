/** Sixteen sums of weighted bytes. */
struct Sums {
  uint32x4_t sums[4];

  static Sums Of(int32_t value) {
    const uint32x4_t all = vdupq_n_u32(static_cast<uint32_t>(value));
    return {{all, all, all, all}};
  }
  static Sums Load(const int32_t *from) {
    const auto *values = reinterpret_cast<const uint32_t *>(from);
    return {{vld1q_u32(values), vld1q_u32(values + 4), vld1q_u32(values + 8), vld1q_u32(values + 12)}};
  }
  void Save(int32_t *to) const {
    for (int i = 0; i < 4; ++i) vst1q_u32(reinterpret_cast<uint32_t *>(to) + 4 * i, sums[i]);
  }
  void Add(const uint8_t *bytes, int32_t weight) {
    const uint8x16_t values = vld1q_u8(bytes);
    const uint16x8_t low = vmovl_u8(vget_low_u8(values));
    const uint16x8_t high = vmovl_u8(vget_high_u8(values));
    const auto times = static_cast<uint32_t>(weight);
    sums[0] = vmlaq_n_u32(sums[0], vmovl_u16(vget_low_u16(low)), times);
    sums[1] = vmlaq_n_u32(sums[1], vmovl_u16(vget_high_u16(low)), times);
    sums[2] = vmlaq_n_u32(sums[2], vmovl_u16(vget_low_u16(high)), times);
    sums[3] = vmlaq_n_u32(sums[3], vmovl_u16(vget_high_u16(high)), times);
  }
  /** Writes them without their fraction, which leaves 0…255. */
  void StoreBytes(uint8_t *to) const {
    uint16x4_t words[4];
    for (int i = 0; i < 4; ++i) words[i] = vmovn_u32(vshrq_n_u32(sums[i], kFractionBits));
    const uint8x8_t low = vmovn_u16(vcombine_u16(words[0], words[1]));
    const uint8x8_t high = vmovn_u16(vcombine_u16(words[2], words[3]));
    vst1q_u8(to, vcombine_u8(low, high));
  }
};
