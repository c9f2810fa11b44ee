// The kernels with 256-bit registers: two registers hold the 16 virtual lanes of one inner product. Included where
// TARGET is defined.
#include <immintrin.h>

// The fixed tree over the lanes: `low` holds lanes 0–7, `high` 8–15.
CQK_INLINE TARGET float tree(__m256 low, __m256 high) {
  __m256 s8 = _mm256_add_ps(low, high);
  __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

// All ones in the first `count` of 8 places (count may be negative or beyond 8).
CQK_INLINE TARGET __m256i first(long count) {
  return _mm256_cmpgt_epi32(
      _mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

CQK_INLINE TARGET void tile(
    const float *x, size_t ldx, const float *w, size_t ldw, float *y, size_t ldy, size_t k, int accumulate,
    const size_t rows, const size_t columns) {
  __m256 low[2][3], high[2][3];
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) low[r][c] = high[r][c] = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= k; i += 16) {
    __m256 a[2];
    for (size_t r = 0; r < rows; r++) a[r] = _mm256_loadu_ps(x + r * ldx + i);
    for (size_t c = 0; c < columns; c++) {
      __m256 b = _mm256_loadu_ps(w + c * ldw + i);
      for (size_t r = 0; r < rows; r++) low[r][c] = _mm256_fmadd_ps(a[r], b, low[r][c]);
    }
    for (size_t r = 0; r < rows; r++) a[r] = _mm256_loadu_ps(x + r * ldx + i + 8);
    for (size_t c = 0; c < columns; c++) {
      __m256 b = _mm256_loadu_ps(w + c * ldw + i + 8);
      for (size_t r = 0; r < rows; r++) high[r][c] = _mm256_fmadd_ps(a[r], b, high[r][c]);
    }
  }
  if (i < k) {
    __m256i m0 = first((long)(k - i)), m1 = first((long)(k - i) - 8);
    for (size_t r = 0; r < rows; r++)
      for (size_t c = 0; c < columns; c++) {
        const float *xr = x + r * ldx + i, *wc = w + c * ldw + i;
        low[r][c] = _mm256_fmadd_ps(_mm256_maskload_ps(xr, m0), _mm256_maskload_ps(wc, m0), low[r][c]);
        high[r][c] = _mm256_fmadd_ps(_mm256_maskload_ps(xr + 8, m1), _mm256_maskload_ps(wc + 8, m1), high[r][c]);
      }
  }
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) {
      float sum = tree(low[r][c], high[r][c]);
      float *at = y + r * ldy + c;
      *at = accumulate ? *at + sum : sum;
    }
}

TARGET static void gemm_nt_f32(
    const float *x, size_t ldx, const float *w, size_t ldw, float *y, size_t ldy, size_t t, size_t n, size_t k,
    int accumulate) {
  // A panel of w that stays in the second-level cache while all rows of x pass by.
  size_t panel = (size_t)(128 * 1024) / (4 * (k ? k : 1));
  panel = panel < 3 ? 3 : panel - panel % 3;
  for (size_t n0 = 0; n0 < n; n0 += panel) {
    size_t n1 = cqk_min(n, n0 + panel);
    size_t i = 0;
    for (; i + 2 <= t; i += 2) {
      size_t j = n0;
      for (; j + 3 <= n1; j += 3)
        tile(x + i * ldx, ldx, w + j * ldw, ldw, y + i * ldy + j, ldy, k, accumulate, 2, 3);
      for (; j < n1; j++) tile(x + i * ldx, ldx, w + j * ldw, ldw, y + i * ldy + j, ldy, k, accumulate, 2, 1);
    }
    for (; i < t; i++) {
      size_t j = n0;
      for (; j + 3 <= n1; j += 3)
        tile(x + i * ldx, ldx, w + j * ldw, ldw, y + i * ldy + j, ldy, k, accumulate, 1, 3);
      for (; j < n1; j++) tile(x + i * ldx, ldx, w + j * ldw, ldw, y + i * ldy + j, ldy, k, accumulate, 1, 1);
    }
  }
}

CQK_INLINE TARGET void nn_tile(
    const float *p, size_t ldp, const float *v, size_t ldv, float *y, size_t ldy, size_t from, size_t end,
    size_t columns, const size_t rows, const size_t width) {
  __m256 acc[2][4];
  __m256i mask = first((long)columns - 8 * (long)(width - 1));
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++)
      acc[r][c] = c + 1 == width ? _mm256_maskload_ps(y + r * ldy + 8 * c, mask)
                                 : _mm256_loadu_ps(y + r * ldy + 8 * c);
  for (size_t j = from; j < end; j++) {
    __m256 a[2];
    for (size_t r = 0; r < rows; r++) a[r] = _mm256_set1_ps(p[r * ldp + j]);
    for (size_t c = 0; c < width; c++) {
      const float *at = v + j * ldv + 8 * c;
      __m256 b = c + 1 == width ? _mm256_maskload_ps(at, mask) : _mm256_loadu_ps(at);
      for (size_t r = 0; r < rows; r++) acc[r][c] = _mm256_fmadd_ps(a[r], b, acc[r][c]);
    }
  }
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++)
      if (c + 1 == width)
        _mm256_maskstore_ps(y + r * ldy + 8 * c, mask, acc[r][c]);
      else
        _mm256_storeu_ps(y + r * ldy + 8 * c, acc[r][c]);
}

TARGET static void gemm_nn_f32(
    const float *p, size_t ldp, const float *v, size_t ldv, float *y, size_t ldy, size_t t, size_t n, size_t e,
    size_t limit, size_t step) {
  for (size_t c = 0; c < e; c += 32) {
    size_t left = cqk_min(32, e - c), width = (left + 7) / 8;
    const float *vc = v + c;
    for (size_t i = 0; i < t; i += 2) {
      size_t rows = cqk_min(2, t - i), common = 0;
      const float *pi = p + i * ldp;
      float *yi = y + i * ldy + c;
      if (rows == 2) {
        common = cqk_min(n, limit + i * step);
        switch (width) {
          case 4: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, left, 2, 4); break;
          case 3: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, left, 2, 3); break;
          case 2: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, left, 2, 2); break;
          default: nn_tile(pi, ldp, vc, ldv, yi, ldy, 0, common, left, 2, 1); break;
        }
      }
      for (size_t r = 0; r < rows; r++) {
        size_t end = cqk_min(n, limit + (i + r) * step);
        if (end <= common) continue;
        const float *pr = pi + r * ldp;
        float *yr = yi + r * ldy;
        switch (width) {
          case 4: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, left, 1, 4); break;
          case 3: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, left, 1, 3); break;
          case 2: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, left, 1, 2); break;
          default: nn_tile(pr, ldp, vc, ldv, yr, ldy, common, end, left, 1, 1); break;
        }
      }
    }
  }
}

// The two most common types by hand: the compiler reaches a third of this speed.
#define CQK_OWN_Q8_0_AND_Q4_0

CQK_INLINE TARGET __m256 block_scale(const uint8_t *at) {
  return _mm256_set1_ps(_cvtsh_ss((unsigned short)(at[0] | at[1] << 8)));
}
// Eight signed bytes, times d.
CQK_INLINE TARGET __m256 scaled8(__m128i bytes, __m256 d) {
  return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), d);
}

TARGET static void dequantize_q8_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  for (size_t i = 0; i < n; i += 32, b += 34, y += 32) {
    __m256 d = block_scale(b);
    for (size_t j = 0; j < 32; j += 8)
      _mm256_storeu_ps(y + j, scaled8(_mm_loadl_epi64((const __m128i *)(b + 2 + j)), d));
  }
}

TARGET static void dequantize_q4_0(const void *blocks, float *y, size_t n) {
  const uint8_t *b = blocks;
  const __m128i nibble = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
  for (size_t i = 0; i < n; i += 32, b += 18, y += 32) {
    __m256 d = block_scale(b);
    __m128i q = _mm_loadu_si128((const __m128i *)(b + 2));
    __m128i low = _mm_sub_epi8(_mm_and_si128(q, nibble), eight);
    __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(q, 4), nibble), eight);
    _mm256_storeu_ps(y, scaled8(low, d));
    _mm256_storeu_ps(y + 8, scaled8(_mm_srli_si128(low, 8), d));
    _mm256_storeu_ps(y + 16, scaled8(high, d));
    _mm256_storeu_ps(y + 24, scaled8(_mm_srli_si128(high, 8), d));
  }
}

#include "pointwise.h"
#define CQK_BF16_ROWS 2
#include "bf16_body.h"
#define CQK_LANES 8
#define CQK_INT8_TOKENS 4
#include "int8_simd.h"
#include "int8_body.h"
