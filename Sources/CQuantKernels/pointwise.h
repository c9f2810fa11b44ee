// Row-wise and pointwise operations, written once in plain C and compiled for each instruction set: the file that
// includes this defines TARGET. Only operations that IEEE 754 rounds correctly are used (and the compiler is told not
// to contract them), and sums keep the 16 virtual lanes, so vectorising changes no bit.
#include <math.h>
#include <string.h>

CQK_INLINE TARGET float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
CQK_INLINE TARGET uint32_t to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

// exp(x) = 2ⁿ · exp(r) with n = round(x / ln 2), |r| ≤ ln 2 / 2, and the Taylor polynomial of degree 7 (its rest,
// r⁸/8! < 6e-9, is below a tenth of a unit in the last place). Overflows to ∞, underflows gradually, keeps NaN.
CQK_INLINE TARGET float exp1(float x) {
  float inside = x < -104.0f ? -104.0f : x;
  inside = inside > 89.0f ? 89.0f : inside;
  inside = inside == inside ? inside : 0.0f;
  // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
  float shifted = inside * 0x1.715476p+0f + 0x1.8p+23f;
  int32_t n = (int32_t)(to_bits(shifted) - to_bits(0x1.8p+23f));
  float count = shifted - 0x1.8p+23f;
  float r = __builtin_fmaf(count, -0x1.62e4p-1f, inside);  // ln 2 in two parts, the first of 14 bits
  r = __builtin_fmaf(count, -0x1.7f7d1cp-20f, r);
  float p = 1.0f / 5040;
  p = __builtin_fmaf(p, r, 1.0f / 720);
  p = __builtin_fmaf(p, r, 1.0f / 120);
  p = __builtin_fmaf(p, r, 1.0f / 24);
  p = __builtin_fmaf(p, r, 1.0f / 6);
  p = __builtin_fmaf(p, r, 0.5f);
  p = __builtin_fmaf(p, r, 1.0f);
  p = __builtin_fmaf(p, r, 1.0f);
  // 2ⁿ in two factors, so that both are normal numbers: the second product rounds once.
  int32_t half = n >> 1;
  float y = p * from_bits((uint32_t)(half + 127) << 23) * from_bits((uint32_t)(n - half + 127) << 23);
  return x == x ? y : x;
}

CQK_INLINE TARGET float tree16(const float lane[16]) {
  float s[8];
  for (size_t l = 0; l < 8; l++) s[l] = lane[l] + lane[l + 8];
  for (size_t l = 0; l < 4; l++) s[l] = s[l] + s[l + 4];
  for (size_t l = 0; l < 2; l++) s[l] = s[l] + s[l + 2];
  return s[0] + s[1];
}

TARGET static void exp_f32(const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = exp1(x[i]);
}

TARGET static void add_f32(const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] + x[i];
}

TARGET static void axpy_f32(float a, const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = __builtin_fmaf(a, x[i], y[i]);
}

TARGET static void silu_mul_f32(const float *gate, const float *up, float *y, size_t n) {
  size_t i = 0;
  // By way of local arrays: y may be gate or up, which would keep the compiler from using vectors.
  for (; i + 16 <= n; i += 16) {
    float g[16], u[16];
    memcpy(g, gate + i, sizeof g);
    memcpy(u, up + i, sizeof u);
    for (size_t l = 0; l < 16; l++) g[l] = g[l] / (1.0f + exp1(-g[l])) * u[l];
    memcpy(y + i, g, sizeof g);
  }
  for (; i < n; i++) y[i] = gate[i] / (1.0f + exp1(-gate[i])) * up[i];
}

TARGET static void rms_norm_f32(
    const float *x, size_t ldx, const float *gain, float *y, size_t ldy, size_t t, size_t d, float epsilon) {
  for (size_t i = 0; i < t; i++) {
    const float *xi = x + i * ldx;
    float *yi = y + i * ldy;
    float lane[16] = {0};
    size_t j = 0;
    for (; j + 16 <= d; j += 16)
      for (size_t l = 0; l < 16; l++) lane[l] = __builtin_fmaf(xi[j + l], xi[j + l], lane[l]);
    for (size_t l = 0; j + l < d; l++) lane[l] = __builtin_fmaf(xi[j + l], xi[j + l], lane[l]);
    float scale = 1.0f / sqrtf(tree16(lane) / (float)d + epsilon);
    for (j = 0; j < d; j++) yi[j] = xi[j] * scale * gain[j];
  }
}

TARGET static void softmax_f32(
    float *s, size_t lds, size_t t, size_t n, size_t limit, size_t step, size_t window, float scale) {
  for (size_t i = 0; i < t; i++) {
    float *row = s + i * lds;
    size_t end = cqk_min(n, limit + i * step), begin = window < end ? end - window : 0;
    for (size_t j = 0; j < begin; j++) row[j] = -INFINITY;
    float lane[16], most = -INFINITY;
    for (size_t l = 0; l < 16; l++) lane[l] = -INFINITY;
    size_t j = 0;
    for (; j + 16 <= end; j += 16)
      for (size_t l = 0; l < 16; l++) {
        float v = row[j + l] * scale;
        row[j + l] = v;
        lane[l] = v > lane[l] ? v : lane[l];
      }
    for (size_t l = 0; j + l < end; l++) {
      float v = row[j + l] * scale;
      row[j + l] = v;
      lane[l] = v > lane[l] ? v : lane[l];
    }
    for (size_t l = 0; l < 16; l++) most = lane[l] > most ? lane[l] : most;
    for (size_t l = 0; l < 16; l++) lane[l] = 0;
    for (j = 0; j + 16 <= end; j += 16)
      for (size_t l = 0; l < 16; l++) {
        float v = exp1(row[j + l] - most);
        row[j + l] = v;
        lane[l] = lane[l] + v;
      }
    for (size_t l = 0; j + l < end; l++) {
      float v = exp1(row[j + l] - most);
      row[j + l] = v;
      lane[l] = lane[l] + v;
    }
    float inverse = 1.0f / tree16(lane);
    for (j = 0; j < end; j++) row[j] = row[j] * inverse;
  }
}

TARGET static void rope_f32(
    float *x, size_t ldx, const float *cosine, const float *sine, size_t t, size_t heads, size_t e, size_t rotated) {
  size_t pairs = rotated / 2;
  for (size_t i = 0; i < t; i++)
    for (size_t h = 0; h < heads; h++) {
      float *at = x + i * ldx + h * e;
      for (size_t p = 0; p < pairs; p++) {
        float c = cosine[i * pairs + p], s = sine[i * pairs + p], a = at[2 * p], b = at[2 * p + 1];
        at[2 * p] = __builtin_fmaf(a, c, -(b * s));
        at[2 * p + 1] = __builtin_fmaf(a, s, b * c);
      }
    }
}

// An IEEE half as a float, exactly: its exponent and mantissa read as a float are 2⁻¹¹² of the value.
CQK_INLINE TARGET float half(const uint8_t *at) {
  uint16_t stored;
  memcpy(&stored, at, 2);
  uint32_t h = stored;
  uint32_t magnitude = to_bits(from_bits((h & 0x7fff) << 13) * 0x1p112f);
  uint32_t special = 0x7f800000u | (h & 0x3ff) << 13;
  return from_bits(((h & 0x7c00) == 0x7c00 ? special : magnitude) | (h & 0x8000) << 16);
}

TARGET static void dequantize_f16(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i++) y[i] = half(b + 2 * i);
}

TARGET static void dequantize_bf16(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i++) y[i] = from_bits((uint32_t)b[2 * i] << 16 | (uint32_t)b[2 * i + 1] << 24);
}

#ifndef CQK_OWN_Q8_0_AND_Q4_0
// 34 bytes: half d; 32 signed bytes. w = q·d
TARGET static void dequantize_q8_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 34, y += 32) {
    float d = half(b);
    const int8_t *q = (const int8_t *)(b + 2);
    for (size_t j = 0; j < 32; j++) y[j] = (float)q[j] * d;
  }
}

// 18 bytes: half d; 16 bytes whose low nibbles are weights 0–15 and high nibbles 16–31. w = (q − 8)·d
TARGET static void dequantize_q4_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 18, y += 32) {
    float d = half(b);
    for (size_t j = 0; j < 16; j++) {
      y[j] = (float)((b[2 + j] & 15) - 8) * d;
      y[j + 16] = (float)((b[2 + j] >> 4) - 8) * d;
    }
  }
}
#endif

// 20 bytes: half d, half m; nibbles as in Q4_0. w = q·d + m
TARGET static void dequantize_q4_1(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 20, y += 32) {
    float d = half(b), m = half(b + 2);
    for (size_t j = 0; j < 16; j++) {
      y[j] = (float)(b[4 + j] & 15) * d + m;
      y[j + 16] = (float)(b[4 + j] >> 4) * d + m;
    }
  }
}

// 22 bytes: half d; 32 fifth bits; nibbles as in Q4_0. w = (q − 16)·d
TARGET static void dequantize_q5_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 22, y += 32) {
    float d = half(b);
    uint32_t high = (uint32_t)b[2] | (uint32_t)b[3] << 8 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 24;
    for (size_t j = 0; j < 16; j++) {
      int32_t low = (int32_t)((b[6 + j] & 15) | (high >> j & 1) << 4);
      int32_t top = (int32_t)((b[6 + j] >> 4) | (high >> (j + 16) & 1) << 4);
      y[j] = (float)(low - 16) * d;
      y[j + 16] = (float)(top - 16) * d;
    }
  }
}

// 24 bytes: half d, half m; 32 fifth bits; nibbles as in Q4_0. w = q·d + m
TARGET static void dequantize_q5_1(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 24, y += 32) {
    float d = half(b), m = half(b + 2);
    uint32_t high = (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;
    for (size_t j = 0; j < 16; j++) {
      int32_t low = (int32_t)((b[8 + j] & 15) | (high >> j & 1) << 4);
      int32_t top = (int32_t)((b[8 + j] >> 4) | (high >> (j + 16) & 1) << 4);
      y[j] = (float)low * d + m;
      y[j + 16] = (float)top * d + m;
    }
  }
}

#include "superblocks.h"

#define CQK_TABLE(isa)                                                                                         \
  const cqk_kernels cqk_##isa##_kernels = {                                                                    \
      .name = #isa,                                                                                            \
      .gemm_nt_f32 = gemm_nt_f32,                                                                              \
      .gemm_nn_f32 = gemm_nn_f32,                                                                              \
      .exp_f32 = exp_f32,                                                                                      \
      .add_f32 = add_f32,                                                                                      \
      .axpy_f32 = axpy_f32,                                                                                    \
      .silu_mul_f32 = silu_mul_f32,                                                                            \
      .rms_norm_f32 = rms_norm_f32,                                                                            \
      .softmax_f32 = softmax_f32,                                                                              \
      .rope_f32 = rope_f32,                                                                                    \
      .dequantize_f16 = dequantize_f16,                                                                        \
      .dequantize_bf16 = dequantize_bf16,                                                                      \
      .dequantize_q8_0 = dequantize_q8_0,                                                                      \
      .dequantize_q4_0 = dequantize_q4_0,                                                                      \
      .dequantize_q4_1 = dequantize_q4_1,                                                                      \
      .dequantize_q5_0 = dequantize_q5_0,                                                                      \
      .dequantize_q5_1 = dequantize_q5_1,                                                                      \
      .dequantize_q2_K = dequantize_q2_K,                                                                      \
      .dequantize_q3_K = dequantize_q3_K,                                                                      \
      .dequantize_q4_K = dequantize_q4_K,                                                                      \
      .dequantize_q5_K = dequantize_q5_K,                                                                      \
      .dequantize_q6_K = dequantize_q6_K,                                                                      \
      .dequantize_iq4_NL = dequantize_iq4_NL,                                                                  \
      .dequantize_iq4_XS = dequantize_iq4_XS,                                                                  \
      .pack_bf16 = pack_bf16,                                                                                  \
      .gemm_bf16 = gemm_bf16,                                                                                  \
      .pack_rows_bf16 = pack_rows_bf16,                                                                        \
      .gemm_nn_bf16 = gemm_nn_bf16,                                                                            \
      .quantize_int8 = quantize_int8,                                                                          \
      .gemm_int8 = gemm_int8,                                                                                  \
  }
