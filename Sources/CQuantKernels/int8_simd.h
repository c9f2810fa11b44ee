// The integer products of int8_body.h in vectors of CQK_LANES rows; included where TARGET is defined, after
// immintrin.h. CQK_VNNI: the instruction set adds four products at once; otherwise they go through 16 bits, where no sum
// of codes up to 127 can overflow.
#include "int8.h"

#ifndef CQK_INT8_AHEAD
#define CQK_INT8_AHEAD 4096
#endif

#if CQK_LANES == 16
typedef __m512i int_lanes;
typedef __m512 real_lanes;
#define LANES(operation) _mm512_##operation
#define BITS(operation) _mm512_##operation##_si512
CQK_INLINE TARGET int_lanes codes_at(const uint8_t *at) { return _mm512_loadu_si512(at); }
CQK_INLINE TARGET real_lanes halves_at(const uint8_t *at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
}
CQK_INLINE TARGET real_lanes bytes_at(const uint8_t *at, const int is_signed) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)at);
  return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}
#else
typedef __m256i int_lanes;
typedef __m256 real_lanes;
#define LANES(operation) _mm256_##operation
#define BITS(operation) _mm256_##operation##_si256
CQK_INLINE TARGET int_lanes codes_at(const uint8_t *at) { return _mm256_loadu_si256((const __m256i *)at); }
CQK_INLINE TARGET real_lanes halves_at(const uint8_t *at) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at));
}
CQK_INLINE TARGET real_lanes bytes_at(const uint8_t *at, const int is_signed) {
  __m128i bytes = _mm_loadl_epi64((const __m128i *)at);
  return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
}
#endif

// sum + Σ codes · x of each lane's four places.
CQK_INLINE TARGET int_lanes dot4(int_lanes sum, int_lanes codes, const int8_t *x, const int is_wide) {
  int32_t four;
  memcpy(&four, x, 4);
  int_lanes inputs = LANES(set1_epi32)(four);
#ifdef CQK_VNNI
  (void)is_wide;
  return CQK_VNNI(sum, codes, inputs);
#else
  const int_lanes ones = LANES(set1_epi16)(1);
  if (!is_wide) return LANES(add_epi32)(sum, LANES(madd_epi16)(LANES(maddubs_epi16)(codes, inputs), ones));
  // The top bit of a code apart, for two products of 255 · 127 are more than 16 bits hold.
  int_lanes low = BITS(and)(codes, LANES(set1_epi8)(127));
  int_lanes top = BITS(and)(LANES(srli_epi16)(codes, 7), LANES(set1_epi8)(1));
  sum = LANES(add_epi32)(sum, LANES(madd_epi16)(LANES(maddubs_epi16)(low, inputs), ones));
  return LANES(add_epi32)(
      sum, LANES(madd_epi16)(LANES(maddubs_epi16)(top, inputs), LANES(set1_epi16)(128)));
#endif
}

CQK_INLINE TARGET int_lanes bias_times(int32_t bias, int32_t negative_sum) {
  // The bias is 0 or a power of two.
  return bias == 0 ? BITS(setzero)() : LANES(slli_epi32)(LANES(set1_epi32)(negative_sum), __builtin_ctz((uint32_t)bias));
}

// `tokens` rows of x times one panel.
CQK_INLINE TARGET void int8_tile(
    const cqk_coding c, const int8_t *x, size_t ldx, const uint8_t *panel, float *y, size_t ldy, size_t k,
    size_t columns, int accumulate, const size_t tokens) {
  const size_t scales = cqk_scale_bytes(c.scales), codes = cqk_code_bytes(c.is_small);
  const int is_wide = c.bias == 128;
  for (size_t r = 0; r < 16; r += CQK_LANES) {
    real_lanes acc[CQK_INT8_TOKENS];
    for (size_t i = 0; i < tokens; i++) acc[i] = LANES(setzero_ps)();
    const uint8_t *w = panel;
    real_lanes d = LANES(setzero_ps)(), least = d;
    for (size_t b = 0; b < k / 32; b++) {
      if (b % 8 == 0 && cqk_head_bytes(c.scales)) {
        d = halves_at(w + 2 * r);
        if (c.scales == CQK_MINIMUM) least = halves_at(w + 32 + 2 * r);
        w += cqk_head_bytes(c.scales);
      }
      real_lanes scale, second = d;
      switch (c.scales) {
        case CQK_PLAIN: scale = halves_at(w + 2 * r); break;
        case CQK_OFFSET:
          scale = halves_at(w + 2 * r);
          second = halves_at(w + 32 + 2 * r);
          break;
        case CQK_MINIMUM:
          scale = LANES(mul_ps)(d, bytes_at(w + r, 0));
          second = LANES(mul_ps)(least, bytes_at(w + 16 + r, 0));
          break;
        case CQK_SIGNED: scale = LANES(mul_ps)(d, bytes_at(w + r, 1)); break;
        case CQK_HALVED:
          scale = LANES(mul_ps)(d, bytes_at(w + r, 1));
          second = LANES(mul_ps)(d, bytes_at(w + 16 + r, 1));
          break;
      }
      // One row of x: weights come from memory, and asking early for them takes them several times as fast.
      if (tokens == 1 && r == 0)
        for (size_t line = 0; line < scales + codes; line += 64)
          _mm_prefetch((const char *)w + line + CQK_INT8_AHEAD, _MM_HINT_T0);
      int_lanes code[8];
      for (size_t j = 0; j < 8; j++) {
        if (!c.is_small) {
          code[j] = codes_at(w + scales + 64 * j + 4 * r);
        } else if (j < 4) {
          int_lanes both = codes_at(w + scales + 64 * j + 4 * r);
          code[j] = BITS(and)(both, LANES(set1_epi8)(15));
          code[j + 4] = BITS(and)(LANES(srli_epi16)(both, 4), LANES(set1_epi8)(15));
        }
      }
      for (size_t i = 0; i < tokens; i++) {
        const cqk_x_block *input = (const cqk_x_block *)(const void *)(x + i * ldx) + b;
        const int8_t *at = input->code;
        real_lanes dx = LANES(set1_ps)(input->scale);
        if (c.scales == CQK_HALVED) {
          int_lanes low = bias_times(c.bias, input->half_sum[0]);
          int_lanes high = bias_times(c.bias, input->half_sum[1]);
          for (size_t j = 0; j < 4; j++) low = dot4(low, code[j], at + 4 * j, is_wide);
          for (size_t j = 4; j < 8; j++) high = dot4(high, code[j], at + 4 * j, is_wide);
          acc[i] = LANES(fmadd_ps)(LANES(cvtepi32_ps)(low), LANES(mul_ps)(dx, scale), acc[i]);
          acc[i] = LANES(fmadd_ps)(LANES(cvtepi32_ps)(high), LANES(mul_ps)(dx, second), acc[i]);
          continue;
        }
        int_lanes sum = bias_times(c.bias, input->sum);
        for (size_t j = 0; j < 8; j++) sum = dot4(sum, code[j], at + 4 * j, is_wide);
        acc[i] = LANES(fmadd_ps)(LANES(cvtepi32_ps)(sum), LANES(mul_ps)(dx, scale), acc[i]);
        real_lanes offset = LANES(set1_ps)(input->offset);
        if (c.scales == CQK_OFFSET) acc[i] = LANES(fmadd_ps)(second, offset, acc[i]);
        if (c.scales == CQK_MINIMUM) acc[i] = LANES(fnmadd_ps)(second, offset, acc[i]);
      }
      w += scales + codes;
    }
    for (size_t i = 0; i < tokens; i++) {
      float *at = y + i * ldy + r;
      if (columns >= r + CQK_LANES) {
        LANES(storeu_ps)(at, accumulate ? LANES(add_ps)(LANES(loadu_ps)(at), acc[i]) : acc[i]);
      } else {
        float sums[CQK_LANES];
        LANES(storeu_ps)(sums, acc[i]);
        for (size_t j = 0; r + j < columns; j++) at[j] = accumulate ? at[j] + sums[j] : sums[j];
      }
    }
  }
}

#if CQK_LANES == 16 && defined(CQK_VNNI)
#define CQK_INT8_WIDE
#include "int8_wide.h"
#endif
