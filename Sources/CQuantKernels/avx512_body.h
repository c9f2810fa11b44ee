// The kernels with 512-bit registers: one register holds the 16 virtual lanes of one inner product. Included where
// TARGET is defined.
#include <immintrin.h>

// 8+8: the two half sums of a and of b, side by side.
CQK_INLINE TARGET __m512 fold8(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
// 4+4 for two results of fold8: quarters a0 a1 b0 b1 | c0 c1 d0 d1 become a b c d.
CQK_INLINE TARGET __m512 fold4(__m512 ab, __m512 cd) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
}
// 2+2 within each quarter, for two results of fold4: (a, e) (b, f) (c, g) (d, h).
CQK_INLINE TARGET __m512 fold2(__m512 abcd, __m512 efgh) {
  return _mm512_add_ps(_mm512_shuffle_ps(abcd, efgh, 0x44), _mm512_shuffle_ps(abcd, efgh, 0xee));
}
// 1+1: each quarter becomes four finished sums.
CQK_INLINE TARGET __m512 fold1(__m512 p, __m512 q) {
  return _mm512_add_ps(_mm512_shuffle_ps(p, q, 0x88), _mm512_shuffle_ps(p, q, 0xdd));
}

// Sums of 16 registers: quarter q holds the sums of s[q], s[q+4], s[q+8], s[q+12].
CQK_INLINE TARGET __m512 sums16(const __m512 s[16]) {
  __m512 abcd = fold4(fold8(s[0], s[1]), fold8(s[2], s[3]));
  __m512 efgh = fold4(fold8(s[4], s[5]), fold8(s[6], s[7]));
  __m512 ijkl = fold4(fold8(s[8], s[9]), fold8(s[10], s[11]));
  __m512 mnop = fold4(fold8(s[12], s[13]), fold8(s[14], s[15]));
  return fold1(fold2(abcd, efgh), fold2(ijkl, mnop));
}

// rows × columns inner products, rows ≤ 4, columns ≤ 4·(registers): sums written through `y`.
CQK_INLINE TARGET void tile(
    const float *x, size_t ldx, const float *w, size_t ldw, float *y, size_t ldy, size_t k, int accumulate,
    const size_t rows, const size_t columns) {
  __m512 acc[16];
  for (size_t i = 0; i < 16; i++) acc[i] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= k; i += 16) {
    __m512 b[4];
    for (size_t c = 0; c < columns; c++) b[c] = _mm512_loadu_ps(w + c * ldw + i);
    for (size_t r = 0; r < rows; r++) {
      __m512 a = _mm512_loadu_ps(x + r * ldx + i);
      for (size_t c = 0; c < columns; c++) acc[r + 4 * c] = _mm512_fmadd_ps(a, b[c], acc[r + 4 * c]);
    }
  }
  if (i < k) {
    __mmask16 inside = (__mmask16)((1u << (k - i)) - 1);
    __m512 b[4];
    for (size_t c = 0; c < columns; c++) b[c] = _mm512_maskz_loadu_ps(inside, w + c * ldw + i);
    for (size_t r = 0; r < rows; r++) {
      __m512 a = _mm512_maskz_loadu_ps(inside, x + r * ldx + i);
      for (size_t c = 0; c < columns; c++) acc[r + 4 * c] = _mm512_fmadd_ps(a, b[c], acc[r + 4 * c]);
    }
  }
  // Quarter r holds the row's four sums.
  __m512 sums = sums16(acc);
  __mmask8 wanted = (__mmask8)((1u << columns) - 1);
  for (size_t r = 0; r < rows; r++) {
    __m128 row;
    switch (r) {
      case 0: row = _mm512_castps512_ps128(sums); break;
      case 1: row = _mm512_extractf32x4_ps(sums, 1); break;
      case 2: row = _mm512_extractf32x4_ps(sums, 2); break;
      default: row = _mm512_extractf32x4_ps(sums, 3); break;
    }
    float *at = y + r * ldy;
    if (accumulate) row = _mm_add_ps(_mm_maskz_loadu_ps(wanted, at), row);
    _mm_mask_storeu_ps(at, wanted, row);
  }
}

// One row against up to 16 rows of w: for decoding, where w streams from memory.
CQK_INLINE TARGET void strip(
    const float *x, const float *w, size_t ldw, float *y, size_t k, int accumulate, const size_t columns) {
  __m512 acc[16];
  for (size_t i = 0; i < 16; i++) acc[i] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= k; i += 16) {
    __m512 a = _mm512_loadu_ps(x + i);
    // Lane order of sums16: register q + 4·s ends in quarter q, place s.
    for (size_t c = 0; c < columns; c++) {
      size_t at = (c % 4) * 4 + c / 4;
      acc[at] = _mm512_fmadd_ps(a, _mm512_loadu_ps(w + c * ldw + i), acc[at]);
    }
  }
  if (i < k) {
    __mmask16 inside = (__mmask16)((1u << (k - i)) - 1);
    __m512 a = _mm512_maskz_loadu_ps(inside, x + i);
    for (size_t c = 0; c < columns; c++) {
      size_t at = (c % 4) * 4 + c / 4;
      acc[at] = _mm512_fmadd_ps(a, _mm512_maskz_loadu_ps(inside, w + c * ldw + i), acc[at]);
    }
  }
  __m512 sums = sums16(acc);
  __mmask16 wanted = (__mmask16)((1u << columns) - 1);
  if (accumulate) sums = _mm512_add_ps(_mm512_maskz_loadu_ps(wanted, y), sums);
  _mm512_mask_storeu_ps(y, wanted, sums);
}

TARGET static void gemm_nt_f32(
    const float *x, size_t ldx, const float *w, size_t ldw, float *y, size_t ldy, size_t t, size_t n, size_t k,
    int accumulate) {
  // A panel of w that stays in the second-level cache while all rows of x pass by.
  size_t panel = (size_t)(256 * 1024) / (4 * (k ? k : 1));
  panel = panel < 4 ? 4 : panel & ~(size_t)3;
  for (size_t n0 = 0; n0 < n; n0 += panel) {
    size_t n1 = cqk_min(n, n0 + panel);
    size_t i = 0;
    for (; i + 4 <= t; i += 4) {
      const float *xi = x + i * ldx;
      size_t j = n0;
      for (; j + 4 <= n1; j += 4) tile(xi, ldx, w + j * ldw, ldw, y + i * ldy + j, ldy, k, accumulate, 4, 4);
      for (; j < n1; j++) tile(xi, ldx, w + j * ldw, ldw, y + i * ldy + j, ldy, k, accumulate, 4, 1);
    }
    for (; i < t; i++) {
      const float *xi = x + i * ldx;
      float *yi = y + i * ldy;
      size_t j = n0;
      for (; j + 16 <= n1; j += 16) strip(xi, w + j * ldw, ldw, yi + j, k, accumulate, 16);
      for (; j + 4 <= n1; j += 4) strip(xi, w + j * ldw, ldw, yi + j, k, accumulate, 4);
      for (; j < n1; j++) strip(xi, w + j * ldw, ldw, yi + j, k, accumulate, 1);
    }
  }
}

// `rows` rows of y, 16·`width` columns; all rows take j in first..<end.
CQK_INLINE TARGET void nn_tile(
    const float *p, size_t ldp, const float *v, size_t ldv, float *y, size_t ldy, size_t first, size_t end,
    __mmask16 last, const size_t rows, const size_t width) {
  __m512 acc[4][4];
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) {
      __mmask16 mask = c + 1 == width ? last : (__mmask16)0xffff;
      acc[r][c] = _mm512_maskz_loadu_ps(mask, y + r * ldy + 16 * c);
    }
  for (size_t j = first; j < end; j++) {
    __m512 b[4];
    for (size_t c = 0; c < width; c++) {
      __mmask16 mask = c + 1 == width ? last : (__mmask16)0xffff;
      b[c] = _mm512_maskz_loadu_ps(mask, v + j * ldv + 16 * c);
    }
    for (size_t r = 0; r < rows; r++) {
      __m512 a = _mm512_set1_ps(p[r * ldp + j]);
      for (size_t c = 0; c < width; c++) acc[r][c] = _mm512_fmadd_ps(a, b[c], acc[r][c]);
    }
  }
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) {
      __mmask16 mask = c + 1 == width ? last : (__mmask16)0xffff;
      _mm512_mask_storeu_ps(y + r * ldy + 16 * c, mask, acc[r][c]);
    }
}

TARGET static void gemm_nn_f32(
    const float *p, size_t ldp, const float *v, size_t ldv, float *y, size_t ldy, size_t t, size_t n, size_t e,
    size_t limit, size_t step) {
  for (size_t c = 0; c < e; c += 64) {
    size_t left = cqk_min(64, e - c), width = (left + 15) / 16;
    __mmask16 last = (__mmask16)((1u << (left - 16 * (width - 1))) - 1);
    const float *vc = v + c;
    float *yc = y + c;
    size_t i = 0;
    for (; i < t; i += 4) {
      size_t rows = cqk_min(4, t - i), common = 0;
      const float *pi = p + i * ldp;
      float *yi = yc + i * ldy;
      if (rows == 4) {
        common = cqk_min(n, limit + i * step);
        switch (width) {
          case 4: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, last, 4, 4); break;
          case 3: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, last, 4, 3); break;
          case 2: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, last, 4, 2); break;
          default: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, last, 4, 1); break;
        }
      }
      // What the later rows of a causal group see beyond the first, and rows that make no group of four.
      for (size_t r = 0; r < rows; r++) {
        size_t end = cqk_min(n, limit + (i + r) * step);
        if (end <= common) continue;
        const float *pr = pi + r * ldp;
        float *yr = yi + r * ldy;
        switch (width) {
          case 4: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, last, 1, 4); break;
          case 3: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, last, 1, 3); break;
          case 2: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, last, 1, 2); break;
          default: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, last, 1, 1); break;
        }
      }
    }
  }
}

// The two most common types by hand: the compiler reaches a third of this speed.
#define CQK_OWN_Q8_0_AND_Q4_0

CQK_INLINE TARGET __m512 block_scale(const uint8_t *at) {
  return _mm512_set1_ps(_cvtsh_ss((unsigned short)(at[0] | at[1] << 8)));
}

TARGET static void dequantize_q8_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 34, y += 32) {
    __m512 d = block_scale(b);
    __m512i low = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 2)));
    __m512i high = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 18)));
    _mm512_storeu_ps(y, _mm512_mul_ps(_mm512_cvtepi32_ps(low), d));
    _mm512_storeu_ps(y + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(high), d));
  }
}

TARGET static void dequantize_q4_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  const __m128i nibble = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
  for (size_t i = 0; i < n; i += 32, b += 18, y += 32) {
    __m512 d = block_scale(b);
    __m128i q = _mm_loadu_si128((const __m128i *)(b + 2));
    __m128i low = _mm_sub_epi8(_mm_and_si128(q, nibble), eight);
    __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(q, 4), nibble), eight);
    _mm512_storeu_ps(y, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(low)), d));
    _mm512_storeu_ps(y + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(high)), d));
  }
}

#include "pointwise.h"
#include "bf16_body.h"
#define CQK_LANES 16
#define CQK_INT8_TOKENS 8
#include "int8_simd.h"
#include "int8_body.h"
