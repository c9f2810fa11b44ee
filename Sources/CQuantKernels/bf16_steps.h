// Rounding to bf16, packing and unpacking with 512-bit registers, for the files that have instructions for bf16. Included
// after avx512_body.h, where TARGET (with AVX512-BF16 and VBMI) is defined, and
//   CQK_STEP_BYTES   bytes between the steps of a row that `row_steps` unpacks
//   STEP_ORDER(x)    32 numbers of a step in the order in which packed inputs have them
#pragma once

CQK_INLINE TARGET __m256i rounded(__m512 x) {
  __mmask16 kept = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(0x1p-56f), _CMP_NLT_UQ);
  return (__m256i)_mm512_maskz_cvtneps_pbh(kept, x);
}
CQK_INLINE TARGET __m512i rounded32(__m512 low, __m512 high) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(rounded(low)), rounded(high), 1);
}

// Rows become columns, 16 × 16 numbers of 32 bits.
CQK_INLINE TARGET void transpose16(__m512i r[16]) {
  __m512i s[16];
  for (size_t i = 0; i < 16; i += 2) {
    s[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    s[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (size_t i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
  }
  for (size_t i = 0; i < 4; i++) {
    s[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    s[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    s[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    s[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (size_t i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0xdd);
  }
}

TARGET static void pack_bf16(const float *x, size_t ldx, uint16_t *packed, size_t t, size_t width, size_t k) {
  for (size_t g = 0; g < t; g += 16) {
    size_t rows = cqk_min(16, t - g);
    for (size_t k0 = 0; k0 < k; k0 += 32, packed += 32 * width) {
      size_t left = cqk_min(32, k - k0);
      __mmask16 first = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
      __mmask16 second = left >= 32 ? 0xffff : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
      __m512i r[16];
      for (size_t i = 0; i < 16; i++) {
        r[i] = _mm512_setzero_si512();
        if (i < rows) {
          const float *at = x + (g + i) * ldx + k0;
          r[i] = STEP_ORDER(rounded32(_mm512_maskz_loadu_ps(first, at), _mm512_maskz_loadu_ps(second, at + 16)));
        }
      }
      if (width == 1) {
        _mm512_storeu_si512(packed, r[0]);
        continue;
      }
      transpose16(r);
      __mmask16 lanes = (__mmask16)((1u << width) - 1);
      for (size_t i = 0; i < 16; i++) _mm512_mask_storeu_epi32(packed + 2 * width * i, lanes, r[i]);
    }
  }
}

// A row's steps go to `out`; `ordered` in the order in which packed inputs have them.
CQK_INLINE TARGET void store_step(uint8_t *out, size_t step, __m512i values, const int ordered) {
  _mm512_store_si512(out + CQK_STEP_BYTES * step, ordered ? STEP_ORDER(values) : values);
}

// A block's scale in all places. Read as a word and spread at once: no detour through a general register.
CQK_INLINE TARGET __m512 block_scale16(const uint8_t *at) {
  uint16_t stored;
  memcpy(&stored, at, 2);
  return _mm512_cvtph_ps(_mm256_set1_epi16((short)stored));
}

// Byte j of a block to the words j and 16 + j, the latter shifted by a nibble.
CQK_INLINE TARGET __m512i nibble_words(const uint8_t *at) {
  const __m512i twice = _mm512_maskz_cvtepu8_epi16(
      0xffffffff, _mm256_setr_epi8(
                      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                      14, 15));
  const __m512i shift = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
  __m512i block = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)at));
  return _mm512_srlv_epi16(_mm512_maskz_permutexvar_epi8(0x5555555555555555u, twice, block), shift);
}

CQK_INLINE TARGET void steps_q4_0(const uint8_t *b, size_t steps, uint8_t *out, const int ordered) {
  const __m512 values = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m512i nibble = _mm512_set1_epi16(15), upper = _mm512_set1_epi16(16);
  size_t i = 0;
  for (; i + 2 <= steps; i += 2, b += 36) {
    // One table for two blocks: the second one's codes begin at 16.
    __m512i table = (__m512i)_mm512_cvtne2ps_pbh(
        _mm512_mul_ps(values, block_scale16(b + 18)), _mm512_mul_ps(values, block_scale16(b)));
    __m512i first = _mm512_and_si512(nibble_words(b + 2), nibble);
    __m512i second = _mm512_or_si512(_mm512_and_si512(nibble_words(b + 20), nibble), upper);
    store_step(out, i, _mm512_permutexvar_epi16(first, table), ordered);
    store_step(out, i + 1, _mm512_permutexvar_epi16(second, table), ordered);
  }
  if (i < steps) {
    __m512i table = _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(values, block_scale16(b))));
    store_step(out, i, _mm512_permutexvar_epi16(_mm512_and_si512(nibble_words(b + 2), nibble), table), ordered);
  }
}

CQK_INLINE TARGET void steps_q8_0(const uint8_t *b, size_t steps, uint8_t *out, const int ordered) {
  for (size_t i = 0; i < steps; i++, b += 34) {
    __m512 d = block_scale16(b);
    __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 2))));
    __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 18))));
    store_step(out, i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, d), _mm512_mul_ps(low, d)), ordered);
  }
}

// Bytes 0–31 of `codes` (each below 32) as bf16 by a table of 32.
CQK_INLINE TARGET __m512i looked_up(__m256i codes, __m512i table) {
  return _mm512_permutexvar_epi16(_mm512_cvtepu8_epi16(codes), table);
}

CQK_INLINE TARGET void steps_q4_K(const uint8_t *b, size_t steps, uint8_t *out, const int ordered) {
  const __m512 values = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m256i nibble = _mm256_set1_epi8(15);
  for (size_t i = 0; i < steps; i += 8, b += 144) {
    float d = half(b), least = half(b + 2);
    for (size_t j = 0; j < 8; j += 2) {
      __m256i q = _mm256_loadu_si256((const __m256i *)(b + 16 + 16 * j));
      __m512 table[2];
      for (size_t l = 0; l < 2; l++) {
        int32_t scale, m;
        scale_and_min(b + 4, j + l, &scale, &m);
        table[l] = _mm512_sub_ps(
            _mm512_mul_ps(_mm512_set1_ps(scaled(d, scale)), values), _mm512_set1_ps(scaled(least, m)));
      }
      // One table for both: the upper one's codes begin at 16.
      __m512i both = (__m512i)_mm512_cvtne2ps_pbh(table[1], table[0]);
      __m256i low = _mm256_and_si256(q, nibble);
      __m256i high = _mm256_or_si256(
          _mm256_and_si256(_mm256_srli_epi16(q, 4), nibble), _mm256_set1_epi8(16));
      store_step(out, i + j, looked_up(low, both), ordered);
      store_step(out, i + j + 1, looked_up(high, both), ordered);
    }
  }
}

CQK_INLINE TARGET void steps_q6_K(const uint8_t *b, size_t steps, uint8_t *out, const int ordered) {
  const __m256i nibble = _mm256_set1_epi8(15), pair = _mm256_set1_epi8(48), offset = _mm256_set1_epi8(32);
  for (size_t i = 0; i < steps; i += 8, b += 210) {
    float scale[16] __attribute__((aligned(64)));
    __m512i signs = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 192)));
    _mm512_store_ps(scale, _mm512_mul_ps(_mm512_set1_ps(half(b + 208)), _mm512_cvtepi32_ps(signs)));
    for (size_t part = 0; part < 2; part++) {
      __m256i high = _mm256_loadu_si256((const __m256i *)(b + 128 + 32 * part));
      for (size_t run = 0; run < 4; run++) {
        __m256i low = _mm256_loadu_si256((const __m256i *)(b + 64 * part + 32 * (run % 2)));
        low = _mm256_and_si256(run < 2 ? low : _mm256_srli_epi16(low, 4), nibble);
        __m256i upper = run == 0   ? _mm256_slli_epi16(high, 4)
                        : run == 1 ? _mm256_slli_epi16(high, 2)
                        : run == 2 ? high
                                   : _mm256_srli_epi16(high, 2);
        __m256i q = _mm256_sub_epi8(_mm256_or_si256(low, _mm256_and_si256(upper, pair)), offset);
        __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(q)));
        __m512 c = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(q, 1)));
        size_t at = 8 * part + 2 * run;
        a = _mm512_mul_ps(a, _mm512_set1_ps(scale[at]));
        c = _mm512_mul_ps(c, _mm512_set1_ps(scale[at + 1]));
        store_step(out, i + 4 * part + run, (__m512i)_mm512_cvtne2ps_pbh(c, a), ordered);
      }
    }
  }
}

CQK_INLINE TARGET void steps_any(
    cqk_type type, const uint8_t *b, size_t count, size_t steps, uint8_t *out, const int ordered) {
  for (size_t i = 0; i < steps; i += 16) {
    float values[512] __attribute__((aligned(64)));
    size_t left = cqk_min(512, count - 32 * i);
    if (left < 512) memset(values, 0, sizeof values);
    row_values(type, b, values, left);
    b += cqk_row_bytes(type, left);
    for (size_t j = 0; j < 16 && i + j < steps; j++)
      store_step(
          out, i + j, rounded32(_mm512_load_ps(values + 32 * j), _mm512_load_ps(values + 32 * j + 16)), ordered);
  }
}

CQK_INLINE TARGET void steps_f32(const uint8_t *b, size_t count, size_t steps, uint8_t *out, const int ordered) {
  const float *at = (const float *)(const void *)b;
  for (size_t i = 0; i < steps; i++, at += 32) {
    size_t left = cqk_min(32, count - 32 * i);
    __mmask16 first = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    __mmask16 second = left >= 32 ? 0xffff : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
    store_step(out, i, rounded32(_mm512_maskz_loadu_ps(first, at), _mm512_maskz_loadu_ps(second, at + 16)), ordered);
  }
}

CQK_INLINE TARGET void steps_bf16(const uint8_t *b, size_t count, size_t steps, uint8_t *out, const int ordered) {
  const __m512i least = _mm512_set1_epi16(0x2380), size = _mm512_set1_epi16(0x7fff);
  for (size_t i = 0; i < steps; i++, b += 64) {
    size_t left = cqk_min(32, count - 32 * i);
    __mmask32 inside = left >= 32 ? 0xffffffffu : (1u << left) - 1;
    __m512i values = _mm512_maskz_loadu_epi16(inside, b);
    __mmask32 kept = _mm512_cmpge_epu16_mask(_mm512_and_si512(values, size), least);
    store_step(out, i, _mm512_maskz_mov_epi16(kept, values), ordered);
  }
}

// `count` weights of one row, from the first step on; `ordered` as in `store_step`.
CQK_INLINE TARGET void steps_of(
    cqk_type type, const uint8_t *b, size_t count, size_t steps, uint8_t *out, const int ordered) {
  switch (type) {
    case CQK_Q4_0: steps_q4_0(b, steps, out, ordered); break;
    case CQK_Q8_0: steps_q8_0(b, steps, out, ordered); break;
    case CQK_Q4_K: steps_q4_K(b, steps, out, ordered); break;
    case CQK_Q6_K: steps_q6_K(b, steps, out, ordered); break;
    case CQK_F32: steps_f32(b, count, steps, out, ordered); break;
    case CQK_BF16: steps_bf16(b, count, steps, out, ordered); break;
    default: steps_any(type, b, count, steps, out, ordered); break;
  }
}

// Likewise, as they stand in the row.
TARGET static void row_steps(cqk_type type, const uint8_t *b, size_t count, size_t steps, uint8_t *out) {
  steps_of(type, b, count, steps, out, 0);
}

TARGET static void pack_rows_bf16(const float *y, size_t ldy, uint16_t *packed, size_t t, size_t n) {
  for (size_t g = 0; g < t; g += 16)
    for (size_t n0 = 0; n0 < n; n0 += 32)
      for (size_t r = 0; r < 16; r++, packed += 32) {
        __m512i values = _mm512_setzero_si512();
        if (g + r < t) {
          size_t left = cqk_min(32, n - n0);
          __mmask16 first = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
          __mmask16 second = left >= 32 ? 0xffff : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
          const float *at = y + (g + r) * ldy + n0;
          values = STEP_ORDER(rounded32(_mm512_maskz_loadu_ps(first, at), _mm512_maskz_loadu_ps(second, at + 16)));
        }
        _mm512_storeu_si512(packed, values);
      }
}
