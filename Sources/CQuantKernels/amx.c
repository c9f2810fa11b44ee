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

#define CQK_STEP_BYTES 1024
#define STEP_ORDER(x) (x)
#include "bf16_steps.h"

// 32 rows of w, of which `rows` are there, to two strips of tiles `strip` bytes apart.
TARGET static void panel_steps(
    cqk_type type, const uint8_t *w, size_t row_bytes, size_t rows, size_t count, size_t steps, uint8_t *out,
    size_t strip) {
  for (size_t r = 0; r < 32; r++) {
    uint8_t *at = out + r / 16 * strip + r % 16 * 64;
    if (r < rows)
      row_steps(type, w + r * row_bytes, count, steps, at);
    else
      for (size_t i = 0; i < steps; i++) store_step(at, i, _mm512_setzero_si512(), 0);
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
        for (size_t p = 0; p < panels; p++) store_step(out, p, _mm512_setzero_si512(), 0);
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
