// Dequantizing the formats with blocks of 256 weights and the non-linear 4-bit ones; included where TARGET is defined,
// after pointwise.h. Products are taken in llama.cpp's order, so results equal its own to the bit.

CQK_INLINE TARGET float scaled(float d, int32_t q) { return d * (float)q; }

// 84 bytes: 16 scales of 4 bits with 16 minima of 4 bits; 64 bytes of 2-bit weights; half d, half dmin.
// w = (d·scale)·q − dmin·min
TARGET static void dequantize_q2_K(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 256, b += 84) {
    const uint8_t *scale = b, *q = b + 16;
    float d = half(b + 80), least = half(b + 82);
    for (size_t part = 0; part < 2; part++, q += 32)
      for (int shift = 0; shift < 8; shift += 2)
        for (size_t run = 0; run < 2; run++, scale++, y += 16) {
          float dl = scaled(d, *scale & 15), ml = scaled(least, *scale >> 4);
          for (size_t l = 0; l < 16; l++) y[l] = scaled(dl, q[16 * run + l] >> shift & 3) - ml;
        }
  }
}

// 110 bytes: 32 bytes of third bits (0 means −4); 64 bytes of 2-bit weights; 16 scales of 6 bits in 12 bytes; half d.
// w = (d·(scale − 32))·q
TARGET static void dequantize_q3_K(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 256, b += 110) {
    const uint8_t *high = b, *q = b + 32, *packed = b + 96;
    float d = half(b + 108);
    int32_t scale[16];
    // Low nibbles of 0–7 are the low halves of bytes 0–7, those of 8–15 the high halves; the upper two bits of scale
    // s stand in byte 8 + s % 4 at bit 2·(s / 4).
    for (int s = 0; s < 16; s++) {
      int low = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
      scale[s] = (low | (packed[8 + s % 4] >> 2 * (s / 4) & 3) << 4) - 32;
    }
    const int32_t *at = scale;
    int bit = 0;
    for (size_t part = 0; part < 2; part++, q += 32)
      for (int shift = 0; shift < 8; shift += 2, bit++)
        for (size_t run = 0; run < 2; run++, at++, y += 16) {
          float dl = scaled(d, *at);
          for (size_t l = 0; l < 16; l++) {
            int32_t upper = high[16 * run + l] >> bit & 1;
            y[l] = scaled(dl, (q[16 * run + l] >> shift & 3) - (upper ? 0 : 4));
          }
        }
  }
}

// The 6-bit scale and minimum of run j (0–7) in the 12 bytes that Q4_K and Q5_K share.
CQK_INLINE TARGET void scale_and_min(const uint8_t *packed, size_t j, int32_t *scale, int32_t *least) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *least = packed[j + 4] & 63;
  } else {
    *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    *least = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
  }
}

// 144 bytes: half d, half dmin; 8 scales and minima of 6 bits in 12 bytes; 128 bytes of nibbles.
// w = (d·scale)·q − dmin·min
TARGET static void dequantize_q4_K(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 256, b += 144) {
    float d = half(b), least = half(b + 2);
    for (size_t j = 0; j < 8; j++, y += 32) {
      const uint8_t *q = b + 16 + 32 * (j / 2);
      int32_t sc, m;
      scale_and_min(b + 4, j, &sc, &m);
      float dl = scaled(d, sc), ml = scaled(least, m);
      for (size_t l = 0; l < 32; l++) y[l] = scaled(dl, j % 2 ? q[l] >> 4 : q[l] & 15) - ml;
    }
  }
}

// 176 bytes: as Q4_K, with 32 bytes of fifth bits before the nibbles.
TARGET static void dequantize_q5_K(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 256, b += 176) {
    float d = half(b), least = half(b + 2);
    const uint8_t *high = b + 16;
    for (size_t j = 0; j < 8; j++, y += 32) {
      const uint8_t *q = b + 48 + 32 * (j / 2);
      int32_t sc, m;
      scale_and_min(b + 4, j, &sc, &m);
      float dl = scaled(d, sc), ml = scaled(least, m);
      for (size_t l = 0; l < 32; l++) {
        int32_t low = j % 2 ? q[l] >> 4 : q[l] & 15;
        y[l] = scaled(dl, low | (high[l] >> j & 1) << 4) - ml;
      }
    }
  }
}

// 210 bytes: 128 bytes of low nibbles; 64 bytes of upper bit pairs; 16 signed scales; half d. w = (d·scale)·(q − 32)
TARGET static void dequantize_q6_K(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 256, b += 210) {
    float d = half(b + 208);
    for (size_t part = 0; part < 2; part++)
      for (size_t run = 0; run < 4; run++, y += 32) {
        const uint8_t *low = b + 64 * part + 32 * (run % 2), *high = b + 128 + 32 * part;
        const int8_t *scale = (const int8_t *)(b + 192) + 8 * part + 2 * run;
        for (size_t l = 0; l < 32; l++) {
          int32_t nibble = run < 2 ? low[l] & 15 : low[l] >> 4;
          y[l] = scaled(scaled(d, scale[l / 16]), (nibble | (high[l] >> 2 * run & 3) << 4) - 32);
        }
      }
  }
}

// The 16 values that a nibble of the non-linear formats stands for.
static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 18 bytes: half d; nibbles as in Q4_0. w = d·value[q]
TARGET static void dequantize_iq4_NL(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 18, y += 32) {
    float d = half(b);
    for (size_t j = 0; j < 16; j++) {
      y[j] = scaled(d, nonlinear[b[2 + j] & 15]);
      y[j + 16] = scaled(d, nonlinear[b[2 + j] >> 4]);
    }
  }
}

// 136 bytes: half d; 8 scales of 6 bits, upper pairs in 2 bytes and lower nibbles in 4; nibbles of 32 weights in 16
// bytes as in Q4_0. w = (d·(scale − 32))·value[q]
TARGET static void dequantize_iq4_XS(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 256, b += 136) {
    float d = half(b);
    uint32_t upper = (uint32_t)b[2] | (uint32_t)b[3] << 8;
    for (size_t j = 0; j < 8; j++, y += 32) {
      const uint8_t *q = b + 8 + 16 * j;
      int32_t scale = (b[4 + j / 2] >> 4 * (j % 2) & 15) | (int32_t)(upper >> 2 * j & 3) << 4;
      float dl = scaled(d, scale - 32);
      for (size_t l = 0; l < 16; l++) {
        y[l] = scaled(dl, nonlinear[q[l] & 15]);
        y[l + 16] = scaled(dl, nonlinear[q[l] >> 4]);
      }
    }
  }
}
