// Products of bf16 numbers, written once in plain C; included where TARGET is defined, after pointwise.h.
//
// **Order of summation** (that of the tile multiplier, so that processors with and without one agree). Inputs are
// taken in steps of 32, the last one filled up with zeros. Within a step the 16 products of even k, and the 16 of odd
// k, are summed by fused multiply-add in ascending k, each chain from 0; the two sums are added, and the sum is added to
// the result of the steps before.
//
// **Rounding.** Inputs are rounded to the nearest bf16, ties to even; magnitudes below 2⁻⁵⁶ become 0. Then every product
// is a multiple of 2⁻¹²⁶ and no sum is ever denormal: whether a processor flushes those makes no difference.

CQK_INLINE TARGET float bf16_value(float x) {
  uint32_t bits = to_bits(x);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  rounded = (bits & 0x7fffffff) > 0x7f800000u ? (bits | 0x400000) & 0xffff0000u : rounded;
  return from_bits((bits & 0x7fffffff) < 0x23800000u ? 0 : rounded);
}

#ifndef CQK_OWN_PACK_BF16
TARGET static void pack_bf16(const float *x, size_t ldx, uint16_t *packed, size_t t, size_t width, size_t k) {
  for (size_t g = 0; g < t; g += 16)
    for (size_t k0 = 0; k0 < k; k0 += 32)
      for (size_t p = 0; p < 32; p += 2)
        for (size_t r = 0; r < width; r++, packed += 2)
          for (size_t i = 0; i < 2; i++) {
            int inside = g + r < t && k0 + p + i < k;
            packed[i] = inside ? (uint16_t)(to_bits(bf16_value(x[(g + r) * ldx + k0 + p + i])) >> 16) : 0;
          }
}
#endif

// `count` weights of a row as floats; count is a multiple of the type's block.
TARGET static void row_values(cqk_type type, const uint8_t *at, float *y, size_t count) {
  switch (type) {
    case CQK_F32: memcpy(y, at, 4 * count); break;
    case CQK_F16: dequantize_f16(at, y, count); break;
    case CQK_BF16: dequantize_bf16(at, y, count); break;
    case CQK_Q4_0: dequantize_q4_0(at, y, count); break;
    case CQK_Q4_1: dequantize_q4_1(at, y, count); break;
    case CQK_Q5_0: dequantize_q5_0(at, y, count); break;
    case CQK_Q5_1: dequantize_q5_1(at, y, count); break;
    case CQK_Q8_0: dequantize_q8_0(at, y, count); break;
    case CQK_Q2_K: dequantize_q2_K(at, y, count); break;
    case CQK_Q3_K: dequantize_q3_K(at, y, count); break;
    case CQK_Q4_K: dequantize_q4_K(at, y, count); break;
    case CQK_Q5_K: dequantize_q5_K(at, y, count); break;
    case CQK_Q6_K: dequantize_q6_K(at, y, count); break;
    case CQK_IQ4_NL: dequantize_iq4_NL(at, y, count); break;
    case CQK_IQ4_XS: dequantize_iq4_XS(at, y, count); break;
  }
}

#ifndef CQK_OWN_GEMM_BF16
TARGET static void pack_rows_bf16(const float *y, size_t ldy, uint16_t *packed, size_t t, size_t n) {
  for (size_t g = 0; g < t; g += 16)
    for (size_t n0 = 0; n0 < n; n0 += 32)
      for (size_t r = 0; r < 16; r++, packed += 32)
        for (size_t i = 0; i < 32; i++) {
          int inside = g + r < t && n0 + i < n;
          packed[i] = inside ? (uint16_t)(to_bits(bf16_value(y[(g + r) * ldy + n0 + i])) >> 16) : 0;
        }
}

TARGET static void gemm_nn_bf16(
    const uint16_t *packed, cqk_type type, const void *w, size_t row_bytes, float *x, size_t ldx, size_t t, size_t n,
    size_t first_k, size_t k, int accumulate, void *scratch) {
  enum { wide = 256, tokens = 512 };
  size_t steps = (n + 31) / 32;
  float *sums = scratch;  // [token][column]
  for (size_t t0 = 0; t0 < t; t0 += tokens)
    for (size_t k0 = 0; k0 < k; k0 += wide) {
      size_t rows = cqk_min(tokens, t - t0), columns = cqk_min(wide, k - k0);
      memset(sums, 0, rows * wide * sizeof(float));
      for (size_t s = 0; s < steps; s++) {
        float values[32][wide] = {{0}};
        for (size_t j = 0; j < cqk_min(32, n - 32 * s); j++) {
          const uint8_t *row = (const uint8_t *)w + (32 * s + j) * row_bytes + cqk_row_bytes(type, first_k + k0);
          row_values(type, row, values[j], columns);
          for (size_t c = 0; c < columns; c++) values[j][c] = bf16_value(values[j][c]);
        }
        for (size_t i = 0; i < rows; i++) {
          const uint16_t *at = packed + ((t0 + i) / 16 * steps + s) * 512 + (t0 + i) % 16 * 32;
          float *sum = sums + i * wide;
          for (size_t c = 0; c < wide; c += 32) {
            float even[32] = {0}, odd[32] = {0};
            for (size_t j = 0; j < 32; j += 2) {
              float a = from_bits((uint32_t)at[j] << 16), b = from_bits((uint32_t)at[j + 1] << 16);
              for (size_t l = 0; l < 32; l++) even[l] = __builtin_fmaf(a, values[j][c + l], even[l]);
              for (size_t l = 0; l < 32; l++) odd[l] = __builtin_fmaf(b, values[j + 1][c + l], odd[l]);
            }
            for (size_t l = 0; l < 32; l++) sum[c + l] = sum[c + l] + (even[l] + odd[l]);
          }
        }
      }
      for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < columns; c++) {
          float *at = x + (t0 + i) * ldx + k0 + c;
          *at = accumulate ? *at + sums[i * wide + c] : sums[i * wide + c];
        }
    }
}

// Rows of w that share the unpacking of x, and weights of a row that are unpacked at a time.
#ifndef CQK_BF16_ROWS
#define CQK_BF16_ROWS 4
#endif
enum { bf16_rows = CQK_BF16_ROWS, bf16_stretch = 512 };

// One step of 32 inputs for all of a group's lanes: sums[row][lane] +=.
CQK_INLINE TARGET void bf16_step(const uint16_t *pairs, size_t width, const float *w, float sums[bf16_rows][16]) {
  float even[bf16_rows][16] = {{0}}, odd[bf16_rows][16] = {{0}};
  for (size_t p = 0; p < 16; p++, pairs += 2 * width) {
    uint32_t both[16] = {0};
    if (width == 16)
      memcpy(both, pairs, 64);
    else
      memcpy(both, pairs, 4 * width);
    float low[16], high[16];
    for (size_t l = 0; l < 16; l++) low[l] = from_bits(both[l] << 16);
    for (size_t l = 0; l < 16; l++) high[l] = from_bits(both[l] & 0xffff0000u);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < bf16_rows; r++) {
      float we = w[r * bf16_stretch + 2 * p], wo = w[r * bf16_stretch + 2 * p + 1];
      for (size_t l = 0; l < 16; l++) even[r][l] = __builtin_fmaf(low[l], we, even[r][l]);
      for (size_t l = 0; l < 16; l++) odd[r][l] = __builtin_fmaf(high[l], wo, odd[r][l]);
    }
  }
  for (size_t r = 0; r < bf16_rows; r++)
    for (size_t l = 0; l < 16; l++) sums[r][l] = sums[r][l] + (even[r][l] + odd[r][l]);
}

TARGET static void gemm_bf16(
    const uint16_t *packed, cqk_type type, const void *w, size_t row_bytes, float *y, size_t ldy, size_t t, size_t n,
    size_t k, int accumulate, void *scratch) {
  size_t groups = (t + 15) / 16, width = cqk_min(16, t), steps = (k + 31) / 32;
  size_t stretch_bytes = k ? cqk_row_bytes(type, bf16_stretch) : 0;
  float *sums = scratch;  // [group][row][lane]
  for (size_t n0 = 0; n0 < n; n0 += bf16_rows) {
    size_t rows = cqk_min(bf16_rows, n - n0);
    memset(sums, 0, groups * bf16_rows * 16 * sizeof(float));
    for (size_t k0 = 0; k0 < k; k0 += bf16_stretch) {
      size_t count = cqk_min(bf16_stretch, k - k0);
      float values[bf16_rows * bf16_stretch] = {0};
      for (size_t r = 0; r < rows; r++) {
        float *row = values + r * bf16_stretch;
        row_values(type, (const uint8_t *)w + (n0 + r) * row_bytes + k0 / bf16_stretch * stretch_bytes, row, count);
        for (size_t i = 0; i < count; i++) row[i] = bf16_value(row[i]);
      }
      for (size_t g = 0; g < groups; g++) {
        const uint16_t *pairs = packed + (g * steps + k0 / 32) * 32 * width;
        float local[bf16_rows][16];
        memcpy(local, sums + g * bf16_rows * 16, sizeof local);
        for (size_t i = 0; i < count; i += 32) bf16_step(pairs + i * width, width, values + i, local);
        memcpy(sums + g * bf16_rows * 16, local, sizeof local);
      }
    }
    for (size_t i = 0; i < t; i++)
      for (size_t r = 0; r < rows; r++) {
        float *at = y + i * ldy + n0 + r, sum = sums[(i / 16 * bf16_rows + r) * 16 + i % 16];
        *at = accumulate ? *at + sum : sum;
      }
  }
}
#endif
