// Integer products of packed weights (see int8.h) and inputs in codes of 8 bits; included where TARGET is defined, after
// pointwise.h. Instruction sets define CQK_INT8_TOKENS and `int8_tile`; without them this is the plain C.
//
// **The sums.** Inputs are coded in blocks of 32: d = max|x| / 127, code = x · (127 / max|x|) to the nearest, ties to even.
// A block that holds an infinity or a NaN has d = NaN, one below 2⁻¹⁰⁰ is 0. The products of a block are summed as
// integers, exactly; then blocks are added in ascending order:
//   plain, signed   y = fma(Σ code·x − bias·Σx, d·scale, y)
//   halved          the same for inputs 0–15, then for 16–31
//   offset          y = fma(Σ code·x, d·scale, y), then y = fma(m, d·Σx, y)
//   minimum         y = fma(Σ code·x, d·scale, y), then y = fma(−(dmin·min), d·Σx, y)
#include "int8.h"

TARGET static void quantize_int8(const float *x, size_t ldx, int8_t *codes, size_t t, size_t k) {
  for (size_t i = 0; i < t; i++) {
    const float *at = x + i * ldx;
    cqk_x_block *row = (cqk_x_block *)(void *)(codes + i * cqk_int8_input_bytes(k));
    for (size_t b = 0; b < k / 32; b++, at += 32) {
      uint32_t most = 0;
      for (size_t j = 0; j < 32; j++) {
        uint32_t size = to_bits(at[j]) & 0x7fffffff;
        most = size > most ? size : most;
      }
      float peak = from_bits(most);
      int is_number = most < 0x7f800000u, is_zero = most < 0x0d800000u;  // 2⁻¹⁰⁰
      float inverse = !is_number || is_zero ? 0 : 127.0f / peak;
      int32_t code[32], sum[2] = {0, 0};
      for (size_t j = 0; j < 32; j++) {
        // 1.5·2²³ rounds to an integer, which then stands in the low bits.
        float value = is_number ? at[j] * inverse : 0;
        code[j] = (int32_t)to_bits(value + 0x1.8p+23f) - 0x4b400000;
      }
      for (size_t j = 0; j < 32; j++) row[b].code[j] = (int8_t)code[j];
      for (size_t j = 0; j < 16; j++) sum[0] += code[j];
      for (size_t j = 16; j < 32; j++) sum[1] += code[j];
      float scale = is_number ? is_zero ? 0 : peak / 127.0f : from_bits(0x7fc00000);
      row[b].scale = scale;
      row[b].offset = scale * (float)(sum[0] + sum[1]);
      row[b].sum = -(sum[0] + sum[1]);
      row[b].half_sum[0] = -sum[0];
      row[b].half_sum[1] = -sum[1];
    }
  }
}

#ifndef CQK_INT8_TOKENS
#define CQK_INT8_TOKENS 1

// One row of x times one panel.
CQK_INLINE TARGET void int8_tile(
    const cqk_coding c, const int8_t *x, size_t ldx, const uint8_t *w, float *y, size_t ldy, size_t k, size_t columns,
    int accumulate, size_t tokens) {
  (void)ldx, (void)ldy, (void)tokens;
  size_t scales = cqk_scale_bytes(c.scales), codes = cqk_code_bytes(c.is_small);
  const cqk_x_block *input = (const cqk_x_block *)(const void *)x;
  const uint8_t *head = w;
  float acc[16] = {0};
  for (size_t b = 0; b < k / 32; b++, input++) {
    if (b % 8 == 0) {
      head = w;
      w += cqk_head_bytes(c.scales);
    }
    for (size_t r = 0; r < 16; r++) {
      int32_t sum[2] = {0, 0};
      for (size_t j = 0; j < 32; j++) {
        const uint8_t *vector = w + scales + (c.is_small ? j % 16 : j) / 4 * 64 + 4 * r + j % 4;
        sum[j / 16] += (c.is_small ? (j < 16 ? *vector & 15 : *vector >> 4) : *vector) * input->code[j];
      }
      int32_t low = sum[0] + c.bias * input->half_sum[0], high = sum[1] + c.bias * input->half_sum[1];
      switch (c.scales) {
        case CQK_PLAIN: acc[r] = fmaf((float)(low + high), input->scale * half(w + 2 * r), acc[r]); break;
        case CQK_SIGNED:
          acc[r] = fmaf((float)(low + high), input->scale * (half(head + 2 * r) * (float)(int8_t)w[r]), acc[r]);
          break;
        case CQK_HALVED:
          acc[r] = fmaf((float)low, input->scale * (half(head + 2 * r) * (float)(int8_t)w[r]), acc[r]);
          acc[r] = fmaf((float)high, input->scale * (half(head + 2 * r) * (float)(int8_t)w[16 + r]), acc[r]);
          break;
        case CQK_OFFSET:
          acc[r] = fmaf((float)(low + high), input->scale * half(w + 2 * r), acc[r]);
          acc[r] = fmaf(half(w + 32 + 2 * r), input->offset, acc[r]);
          break;
        case CQK_MINIMUM:
          acc[r] = fmaf((float)(low + high), input->scale * (half(head + 2 * r) * (float)w[r]), acc[r]);
          acc[r] = fmaf(-(half(head + 32 + 2 * r) * (float)w[16 + r]), input->offset, acc[r]);
          break;
      }
    }
    w += scales + codes;
  }
  for (size_t r = 0; r < columns; r++) y[r] = accumulate ? y[r] + acc[r] : acc[r];
}
#endif

// All rows of x times the panels of n rows of w.
CQK_INLINE TARGET void int8_panels(
    cqk_coding c, const int8_t *x, size_t ldx, const uint8_t *w, size_t panel, float *y, size_t ldy, size_t t, size_t n,
    size_t k, int accumulate) {
  size_t j = 0;
#ifdef CQK_INT8_WIDE
  if (t > 1 && n > 16) j = wide_panels(c, x, ldx, w, panel, y, ldy, t, n, k, accumulate);
#endif
  for (; j < n; j += 16) {
    // Several rows of x pass a panel while it is in the first-level cache.
    const uint8_t *at = w + j / 16 * panel;
    size_t i = 0, columns = cqk_min(16, n - j);
    for (; i + CQK_INT8_TOKENS <= t; i += CQK_INT8_TOKENS)
      int8_tile(c, x + i * ldx, ldx, at, y + i * ldy + j, ldy, k, columns, accumulate, CQK_INT8_TOKENS);
    for (; i < t; i++) int8_tile(c, x + i * ldx, ldx, at, y + i * ldy + j, ldy, k, columns, accumulate, 1);
  }
}

TARGET static void gemm_int8(
    const int8_t *x, cqk_type type, const void *panels, float *y, size_t ldy, size_t t, size_t n, size_t k,
    int accumulate) {
  size_t panel = cqk_int8_panel_bytes(type, k), ldx = cqk_int8_input_bytes(k);
  // Each call has a coding known when compiled.
  switch (type) {
#define CQK_CODED(name, scales, bias, is_small) \
  case name: int8_panels((cqk_coding){scales, bias, is_small}, x, ldx, panels, panel, y, ldy, t, n, k, accumulate); break;
    CQK_CODED(CQK_Q4_0, CQK_PLAIN, 8, 1)
    CQK_CODED(CQK_Q4_1, CQK_OFFSET, 0, 1)
    CQK_CODED(CQK_Q5_0, CQK_PLAIN, 16, 0)
    CQK_CODED(CQK_Q5_1, CQK_OFFSET, 0, 0)
    case CQK_IQ4_NL:
    CQK_CODED(CQK_Q8_0, CQK_PLAIN, 128, 0)
    CQK_CODED(CQK_Q3_K, CQK_HALVED, 4, 1)
    CQK_CODED(CQK_Q4_K, CQK_MINIMUM, 0, 1)
    CQK_CODED(CQK_Q5_K, CQK_MINIMUM, 0, 0)
    CQK_CODED(CQK_Q6_K, CQK_HALVED, 32, 0)
    CQK_CODED(CQK_IQ4_XS, CQK_SIGNED, 128, 0)
#undef CQK_CODED
    default: break;
  }
}
