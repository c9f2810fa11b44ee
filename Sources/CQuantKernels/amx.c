// Products of bf16 numbers on the tile multiplier (AMX) of recent server processors; everything else is as in
// avx512.c. The order of summation is that of bf16_body.h: a tile instruction takes one step of 32 inputs.
//
// Weights are the left operand, in their own order of k; x comes in pairs of k (`pack_bf16`), so a result tile is
// [16 rows of w, 16 rows of x].
#define _GNU_SOURCE
#include "internal.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TARGET \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx512bf16,fma,avx2,f16c,amx-tile,amx-bf16")))

// The kernel hands out the tile registers' state only to processes that ask.
int cqk_amx_usable(void) {
  static int state;  // 0 unknown, 1 yes, 2 no; any thread finds the same
  if (!state) {
    enum { request_permission = 0x1023, tile_data = 18 };
    int able = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
               __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("amx-tile") &&
               syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    state = able ? 1 : 2;
  }
  return state == 1;
}

typedef struct __attribute__((packed)) {
  uint8_t palette, start, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;

#define CQK_VNNI _mm512_dpbusd_epi32
#define CQK_OWN_PACK_BF16
#define CQK_OWN_GEMM_BF16
#include "avx512_body.h"

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
          r[i] = rounded32(_mm512_maskz_loadu_ps(first, at), _mm512_maskz_loadu_ps(second, at + 16));
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

// A row's steps go to `out`, one tile (1,024 bytes) apart.
CQK_INLINE TARGET void store_step(uint8_t *out, size_t step, __m512i values) {
  _mm512_store_si512(out + 1024 * step, values);
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

TARGET static void steps_q4_0(const uint8_t *b, size_t steps, uint8_t *out) {
  const __m512 values = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m512i nibble = _mm512_set1_epi16(15), upper = _mm512_set1_epi16(16);
  size_t i = 0;
  for (; i + 2 <= steps; i += 2, b += 36) {
    // One table for two blocks: the second one's codes begin at 16.
    __m512i table = (__m512i)_mm512_cvtne2ps_pbh(
        _mm512_mul_ps(values, block_scale16(b + 18)), _mm512_mul_ps(values, block_scale16(b)));
    __m512i first = _mm512_and_si512(nibble_words(b + 2), nibble);
    __m512i second = _mm512_or_si512(_mm512_and_si512(nibble_words(b + 20), nibble), upper);
    store_step(out, i, _mm512_permutexvar_epi16(first, table));
    store_step(out, i + 1, _mm512_permutexvar_epi16(second, table));
  }
  if (i < steps) {
    __m512i table = _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(values, block_scale16(b))));
    store_step(out, i, _mm512_permutexvar_epi16(_mm512_and_si512(nibble_words(b + 2), nibble), table));
  }
}

TARGET static void steps_q8_0(const uint8_t *b, size_t steps, uint8_t *out) {
  for (size_t i = 0; i < steps; i++, b += 34) {
    __m512 d = block_scale16(b);
    __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 2))));
    __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(b + 18))));
    store_step(out, i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(high, d), _mm512_mul_ps(low, d)));
  }
}

// Bytes 0–31 of `codes` (each below 32) as bf16 by a table of 32.
CQK_INLINE TARGET __m512i looked_up(__m256i codes, __m512i table) {
  return _mm512_permutexvar_epi16(_mm512_cvtepu8_epi16(codes), table);
}

TARGET static void steps_q4_K(const uint8_t *b, size_t steps, uint8_t *out) {
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
      store_step(out, i + j, looked_up(low, both));
      store_step(out, i + j + 1, looked_up(high, both));
    }
  }
}

TARGET static void steps_q6_K(const uint8_t *b, size_t steps, uint8_t *out) {
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
        store_step(out, i + 4 * part + run, (__m512i)_mm512_cvtne2ps_pbh(c, a));
      }
    }
  }
}

TARGET static void steps_any(cqk_type type, const uint8_t *b, size_t count, size_t steps, uint8_t *out) {
  for (size_t i = 0; i < steps; i += 16) {
    float values[512] __attribute__((aligned(64)));
    size_t left = cqk_min(512, count - 32 * i);
    if (left < 512) memset(values, 0, sizeof values);
    row_values(type, b, values, left);
    b += cqk_row_bytes(type, left);
    for (size_t j = 0; j < 16 && i + j < steps; j++)
      store_step(
          out, i + j, rounded32(_mm512_load_ps(values + 32 * j), _mm512_load_ps(values + 32 * j + 16)));
  }
}

TARGET static void steps_f32(const uint8_t *b, size_t count, size_t steps, uint8_t *out) {
  const float *at = (const float *)(const void *)b;
  for (size_t i = 0; i < steps; i++, at += 32) {
    size_t left = cqk_min(32, count - 32 * i);
    __mmask16 first = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    __mmask16 second = left >= 32 ? 0xffff : left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
    store_step(out, i, rounded32(_mm512_maskz_loadu_ps(first, at), _mm512_maskz_loadu_ps(second, at + 16)));
  }
}

TARGET static void steps_bf16(const uint8_t *b, size_t count, size_t steps, uint8_t *out) {
  const __m512i least = _mm512_set1_epi16(0x2380), size = _mm512_set1_epi16(0x7fff);
  for (size_t i = 0; i < steps; i++, b += 64) {
    size_t left = cqk_min(32, count - 32 * i);
    __mmask32 inside = left >= 32 ? 0xffffffffu : (1u << left) - 1;
    __m512i values = _mm512_maskz_loadu_epi16(inside, b);
    __mmask32 kept = _mm512_cmpge_epu16_mask(_mm512_and_si512(values, size), least);
    store_step(out, i, _mm512_maskz_mov_epi16(kept, values));
  }
}

// `count` weights of one row, from the first step on.
TARGET static void row_steps(cqk_type type, const uint8_t *b, size_t count, size_t steps, uint8_t *out) {
  switch (type) {
    case CQK_Q4_0: steps_q4_0(b, steps, out); break;
    case CQK_Q8_0: steps_q8_0(b, steps, out); break;
    case CQK_Q4_K: steps_q4_K(b, steps, out); break;
    case CQK_Q6_K: steps_q6_K(b, steps, out); break;
    case CQK_F32: steps_f32(b, count, steps, out); break;
    case CQK_BF16: steps_bf16(b, count, steps, out); break;
    default: steps_any(type, b, count, steps, out); break;
  }
}

// 32 rows of w, of which `rows` are there, to two strips of tiles `strip` bytes apart.
TARGET static void panel_steps(
    cqk_type type, const uint8_t *w, size_t row_bytes, size_t rows, size_t count, size_t steps, uint8_t *out,
    size_t strip) {
  for (size_t r = 0; r < 32; r++) {
    uint8_t *at = out + r / 16 * strip + r % 16 * 64;
    if (r < rows)
      row_steps(type, w + r * row_bytes, count, steps, at);
    else
      for (size_t i = 0; i < steps; i++) store_step(at, i, _mm512_setzero_si512());
  }
}

// y[x row, w row] from a tile [w row, x row].
TARGET static void write_tile(
    const float tile[256], float *y, size_t ldy, size_t columns, size_t t, int accumulate) {
  __m512i r[16];
  for (size_t i = 0; i < 16; i++) r[i] = _mm512_load_si512(tile + 16 * i);
  transpose16(r);
  __mmask16 wanted = (__mmask16)((1u << columns) - 1);
  for (size_t i = 0; i < t; i++) {
    __m512 sums = _mm512_castsi512_ps(r[i]);
    if (accumulate) sums = _mm512_add_ps(_mm512_maskz_loadu_ps(wanted, y + i * ldy), sums);
    _mm512_mask_storeu_ps(y + i * ldy, wanted, sums);
  }
}

// Tiles 0–3 are results (rows of w × rows of x: 0 low × low, 1 low × high, 2 high × low, 3 high × high), 4 and 5 w, 6
// and 7 x.
CQK_INLINE TARGET void write_tiles(
    float *y, size_t ldy, size_t rows, size_t t, int accumulate, size_t width, const int two) {
  float tile[4][256] __attribute__((aligned(64)));
  if (width < 16) memset(tile, 0, sizeof tile);
  _tile_stored(0, tile[0], 64);
  _tile_stored(2, tile[2], 64);
  write_tile(tile[0], y, ldy, cqk_min(16, rows), cqk_min(16, t), accumulate);
  if (rows > 16) write_tile(tile[2], y + 16, ldy, rows - 16, cqk_min(16, t), accumulate);
  if (two) {
    _tile_stored(1, tile[1], 64);
    _tile_stored(3, tile[3], 64);
    write_tile(tile[1], y + 16 * ldy, ldy, cqk_min(16, rows), t - 16, accumulate);
    if (rows > 16) write_tile(tile[3], y + 16 * ldy + 16, ldy, rows - 16, t - 16, accumulate);
  }
}

CQK_INLINE TARGET void multiply_steps(
    const uint8_t *w, size_t strip, const uint16_t *x, size_t x_strip, size_t width, size_t steps, const int two,
    const float *next) {
  for (size_t i = 0; i < steps; i++) {
    // The sums that come next, a quarter tile at each step.
    if (next)
      for (size_t line = 0; line < 4; line++) _mm_prefetch(next + 64 * i + 16 * line, _MM_HINT_T0);
    _tile_loadd(4, w + 1024 * i, 64);
    // x streams from the second-level cache and leaves the first to w.
    _tile_stream_loadd(6, x + 32 * width * i, 4 * width);
    _tile_dpbf16ps(0, 4, 6);
    if (two) {
      _tile_stream_loadd(7, x + x_strip + 32 * width * i, 4 * width);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_loadd(5, w + strip + 1024 * i, 64);
    _tile_dpbf16ps(2, 5, 6);
    if (two) _tile_dpbf16ps(3, 5, 7);
  }
}

CQK_INLINE TARGET void clear_tiles(void) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Up to 32 rows of x: results stay in their tiles while w passes by in stretches of 256.
TARGET static void gemm_few(
    const uint16_t *packed, cqk_type type, const uint8_t *w, size_t row_bytes, float *y, size_t ldy, size_t t,
    size_t n, size_t k, int accumulate) {
  enum { stretch = 8 };
  uint8_t tiles[2 * stretch * 1024] __attribute__((aligned(64)));
  size_t steps = (k + 31) / 32, width = cqk_min(16, t);
  size_t stretch_bytes = cqk_row_bytes(type, 32 * stretch);
  for (size_t n0 = 0; n0 < n; n0 += 32) {
    size_t rows = cqk_min(32, n - n0);
    clear_tiles();
    for (size_t s = 0; s < steps; s += stretch) {
      size_t count = cqk_min(stretch, steps - s);
      const uint8_t *at = w + n0 * row_bytes + s / stretch * stretch_bytes;
      panel_steps(type, at, row_bytes, rows, cqk_min(32 * stretch, k - 32 * s), count, tiles, stretch * 1024);
      const uint16_t *x = packed + 32 * width * s;
      if (t > 16)
        multiply_steps(tiles, stretch * 1024, x, 32 * width * steps, width, count, 1, NULL);
      else
        multiply_steps(tiles, stretch * 1024, x, 0, width, count, 0, NULL);
    }
    if (t > 16)
      write_tiles(y + n0, ldy, rows, t, accumulate, width, 1);
    else
      write_tiles(y + n0, ldy, rows, t, accumulate, width, 0);
  }
}

// More rows of x: inputs are taken in stretches for which a panel of w stays in the first-level cache and x in the
// second, while unfinished results wait in `sums`: for two groups of x four tiles side by side.
enum { block_rows = 256, block_tokens = 512, stretch = 16 };

CQK_INLINE TARGET void load_sums(const float *sums) {
  _tile_loadd(0, sums, 64);
  _tile_loadd(1, sums + 256, 64);
  _tile_loadd(2, sums + 512, 64);
  _tile_loadd(3, sums + 768, 64);
}
CQK_INLINE TARGET void store_sums(float *sums) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + 256, 64);
  _tile_stored(2, sums + 512, 64);
  _tile_stored(3, sums + 768, 64);
}

// `rows` ≤ 256 rows of w times `t` ≤ 512 rows of x.
TARGET static void gemm_block(
    const uint16_t *packed, cqk_type type, const uint8_t *w, size_t row_bytes, float *y, size_t ldy, size_t t,
    size_t rows, size_t k, int accumulate, uint8_t *tiles, float *sums) {
  size_t steps = (k + 31) / 32, groups = (t + 15) / 16, pairs = (groups + 1) / 2;
  size_t stretch_bytes = cqk_row_bytes(type, 32 * stretch);
  for (size_t s = 0; s < steps; s += stretch) {
    size_t count = cqk_min(stretch, steps - s);
    int is_first = s == 0, is_last = s + count == steps;
    for (size_t n0 = 0; n0 < rows; n0 += 32) {
      size_t here = cqk_min(32, rows - n0);
      panel_steps(
          type, w + n0 * row_bytes + s / stretch * stretch_bytes, row_bytes, here, cqk_min(32 * stretch, k - 32 * s),
          count, tiles, stretch * 1024);
      for (size_t pair = 0; pair < pairs; pair++) {
        const uint16_t *x = packed + (2 * pair * steps + s) * 512;
        float *at = sums + (n0 / 32 * pairs + pair) * 1024, *out = y + 32 * pair * ldy + n0;
        size_t tokens = cqk_min(32, t - 32 * pair);
        if (is_first)
          clear_tiles();
        else
          load_sums(at);
        if (tokens > 16) {
          multiply_steps(tiles, stretch * 1024, x, 512 * steps, 16, count, 1, at + 1024);
          if (is_last) write_tiles(out, ldy, here, tokens, accumulate, 16, 1);
        } else {
          multiply_steps(tiles, stretch * 1024, x, 0, 16, count, 0, NULL);
          if (is_last) write_tiles(out, ldy, here, tokens, accumulate, 16, 0);
        }
        if (!is_last) store_sums(at);
      }
    }
  }
}

TARGET static void gemm_bf16(
    const uint16_t *packed, cqk_type type, const void *w, size_t row_bytes, float *y, size_t ldy, size_t t, size_t n,
    size_t k, int accumulate, void *scratch) {
  if (t == 0 || n == 0) return;
  size_t steps = (k + 31) / 32, width = cqk_min(16, t);
  tile_shapes shapes = {.palette = 1};
  for (size_t i = 0; i < 8; i++) {
    shapes.rows[i] = 16;
    shapes.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? 64 : 4 * width);
  }
  _tile_loadconfig(&shapes);
  if (t <= 32) {
    gemm_few(packed, type, w, row_bytes, y, ldy, t, n, k, accumulate);
  } else {
    uint8_t *tiles = scratch;
    float *sums = (float *)(tiles + 2048 * stretch);
    for (size_t i = 0; i < t; i += block_tokens)
      for (size_t n0 = 0; n0 < n; n0 += block_rows)
        gemm_block(
            packed + i * 32 * steps, type, (const uint8_t *)w + n0 * row_bytes, row_bytes, y + i * ldy + n0, ldy,
            cqk_min(block_tokens, t - i), cqk_min(block_rows, n - n0), k, accumulate, tiles, sums);
  }
  _tile_release();
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
          values = rounded32(_mm512_maskz_loadu_ps(first, at), _mm512_maskz_loadu_ps(second, at + 16));
        }
        _mm512_storeu_si512(packed, values);
      }
}

// For products with w from the left: columns that are unpacked together, tokens, and steps of 32 rows.
enum { nn_columns = 256, nn_tokens = 512, nn_steps = 16 };

// 32·`steps` rows of w, of which `rows` are there, 256 columns of which `columns` are: panels of 32 columns, in each two
// halves, in each a tile for every step: 16 pairs of rows × 16 columns.
TARGET static void column_tiles(
    cqk_type type, const uint8_t *w, size_t row_bytes, size_t rows, size_t columns, size_t steps, uint8_t *tiles) {
  uint8_t even[8 * 1024] __attribute__((aligned(64))), odd[8 * 1024] __attribute__((aligned(64)));
  const __m512i low = _mm512_set_epi16(
      47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32,
      0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  size_t panels = (columns + 31) / 32;
  for (size_t r = 0; r < 32 * steps; r += 2) {
    for (size_t i = 0; i < 2; i++) {
      uint8_t *out = i ? odd : even;
      if (r + i < rows)
        row_steps(type, w + (r + i) * row_bytes, columns, panels, out);
      else
        for (size_t p = 0; p < panels; p++) store_step(out, p, _mm512_setzero_si512());
    }
    for (size_t p = 0; p < panels; p++) {
      __m512i a = _mm512_load_si512(even + 1024 * p), b = _mm512_load_si512(odd + 1024 * p);
      uint8_t *at = tiles + (2 * p * nn_steps + r / 32) * 1024 + r % 32 / 2 * 64;
      _mm512_store_si512(at, _mm512_permutex2var_epi16(a, low, b));
      _mm512_store_si512(at + nn_steps * 1024, _mm512_permutex2var_epi16(a, high, b));
    }
  }
}

CQK_INLINE TARGET void write_rows(
    const float *tile, float *x, size_t ldx, size_t columns, size_t t, int accumulate) {
  __mmask16 wanted = (__mmask16)((1u << columns) - 1);
  for (size_t i = 0; i < t; i++) {
    __m512 sums = _mm512_load_ps(tile + 16 * i);
    if (accumulate) sums = _mm512_add_ps(_mm512_maskz_loadu_ps(wanted, x + i * ldx), sums);
    _mm512_mask_storeu_ps(x + i * ldx, wanted, sums);
  }
}

// Tiles 0–3 are results (rows of y × columns: 0 low × low, 1 low × high, 2 high × low, 3 high × high), 4 and 5 y, 6 and
// 7 w.
TARGET static void gemm_nn_bf16(
    const uint16_t *packed, cqk_type type, const void *w, size_t row_bytes, float *x, size_t ldx, size_t t, size_t n,
    size_t first_k, size_t k, int accumulate, void *scratch) {
  if (t == 0 || k == 0) return;
  tile_shapes shapes = {.palette = 1};
  for (size_t i = 0; i < 8; i++) {
    shapes.rows[i] = 16;
    shapes.row_bytes[i] = 64;
  }
  _tile_loadconfig(&shapes);
  size_t steps = (n + 31) / 32;
  uint8_t *tiles = scratch;
  float *sums = (float *)(tiles + nn_columns / 16 * nn_steps * 1024);
  for (size_t t0 = 0; t0 < t; t0 += nn_tokens)
    for (size_t k0 = 0; k0 < k; k0 += nn_columns) {
      size_t columns = cqk_min(nn_columns, k - k0), tokens = cqk_min(nn_tokens, t - t0);
      const uint8_t *at_w = (const uint8_t *)w + cqk_row_bytes(type, first_k + k0);
      for (size_t s = 0; s < steps || s == 0; s += nn_steps) {
        size_t count = cqk_min(nn_steps, steps - s);
        int is_last = s + count == steps;
        column_tiles(type, at_w + 32 * s * row_bytes, row_bytes, n - 32 * s, columns, count, tiles);
        for (size_t p = 0; p < columns; p += 32)
          for (size_t i = 0; i < tokens; i += 32) {
            int two = tokens - i > 16;
            const uint16_t *y = packed + ((t0 + i) / 16 * steps + s) * 512, *y2 = two ? y + steps * 512 : y;
            const uint8_t *b = tiles + p / 16 * nn_steps * 1024;
            float *at = sums + (p / 32 * (nn_tokens / 32) + i / 32) * 1024;
            if (s == 0)
              clear_tiles();
            else
              load_sums(at);
            for (size_t j = 0; j < count; j++) {
              for (size_t line = 0; line < 4; line++) _mm_prefetch(at + 1024 + 64 * j + 16 * line, _MM_HINT_T0);
              _tile_stream_loadd(4, y + 512 * j, 64);
              _tile_loadd(6, b + 1024 * j, 64);
              _tile_dpbf16ps(0, 4, 6);
              _tile_loadd(7, b + (nn_steps + j) * 1024, 64);
              _tile_dpbf16ps(1, 4, 7);
              _tile_stream_loadd(5, y2 + 512 * j, 64);
              _tile_dpbf16ps(2, 5, 6);
              _tile_dpbf16ps(3, 5, 7);
            }
            store_sums(at);
            if (!is_last) continue;
            float *out = x + (t0 + i) * ldx + k0 + p;
            size_t wide = cqk_min(16, columns - p), rest = columns - p > 16 ? cqk_min(16, columns - p - 16) : 0;
            write_rows(at, out, ldx, wide, cqk_min(16, tokens - i), accumulate);
            if (rest) write_rows(at + 256, out + 16, ldx, rest, cqk_min(16, tokens - i), accumulate);
            if (two) {
              write_rows(at + 512, out + 16 * ldx, ldx, wide, cqk_min(16, tokens - i - 16), accumulate);
              if (rest) write_rows(at + 768, out + 16 * ldx + 16, ldx, rest, cqk_min(16, tokens - i - 16), accumulate);
            }
          }
      }
    }
  _tile_release();
}

CQK_TABLE(amx);
#endif
