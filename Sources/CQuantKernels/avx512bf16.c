// Products of bf16 numbers by VDPBF16PS (AMD from Zen 4 on, Intel's Cooper Lake and its successors); everything else is
// as in avx512vnni.c.
//
// The instruction adds the products of a pair one after the other, each by a fused multiply-add, that in the upper half
// first. bf16_body.h wants chains over even and over odd inputs: so a pair is made of inputs 4i (upper half) and 4i + 2,
// or 4i + 1 and 4i + 3, and eight instructions in a row are one chain. That it sums like this is tried once in each
// process (`cqk_bf16_usable`): no manual promises it for every processor to come.
#include "internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx512bf16,fma,avx2,f16c")))
#define CQK_VNNI _mm512_dpbusd_epi32
#define CQK_OWN_PACK_BF16
#define CQK_OWN_GEMM_BF16
#include "avx512_body.h"

// The first half of a step is the chain of even inputs, the second that of odd ones.
CQK_INLINE TARGET __m512i step_order(__m512i step) {
  const __m512i order = _mm512_set_epi16(
      29, 31, 25, 27, 21, 23, 17, 19, 13, 15, 9, 11, 5, 7, 1, 3, 28, 30, 24, 26, 20, 22, 16, 18, 12, 14, 8, 10, 4, 6, 0,
      2);
  return _mm512_permutexvar_epi16(order, step);
}
#define CQK_STEP_BYTES 64
#define STEP_ORDER(x) step_order(x)
#include "bf16_steps.h"

// Sums of 4 rows (a pair of numbers of each is spread over a register) with two vectors of 16 lanes, over some steps:
// sums[row][vector] += . `lanes` bytes stand between the two vectors, `rows` between rows, `row_step` between their
// steps.
enum { tile_rows = 4 };

CQK_INLINE TARGET __m512 dot2(__m512 sum, __m512i lanes, __m512i pair) {
  return _mm512_dpbf16_ps(sum, (__m512bh)lanes, (__m512bh)pair);
}
CQK_INLINE TARGET __m512i pair_at(const uint8_t *at) {
  int32_t two;
  memcpy(&two, at, 4);
  return _mm512_set1_epi32(two);
}

CQK_INLINE TARGET void multiply_steps(
    const uint8_t *lanes, size_t lane_bytes, size_t lane_step, __mmask16 mask, const uint8_t *row, size_t row_bytes,
    size_t row_step, size_t steps, __m512 sums[tile_rows][2], const uint8_t *next, const int vectors) {
  // Bytes between pairs of a vector: its lanes that are there.
  size_t pair_bytes = lane_step / 16;
  for (size_t s = 0; s < steps; s++, lanes += lane_step, row += row_step) {
    __m512 even[tile_rows][2], odd[tile_rows][2];
    // The rows that come next.
    for (size_t r = 0; r < tile_rows; r++) _mm_prefetch((const char *)next + s * row_step + r * row_bytes, _MM_HINT_T0);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < tile_rows; r++)
      for (int v = 0; v < vectors; v++) even[r][v] = odd[r][v] = _mm512_setzero_ps();
#pragma clang loop unroll(full)
    for (size_t p = 0; p < 8; p++) {
      __m512i a[2], b[2];
      for (int v = 0; v < vectors; v++) {
        a[v] = _mm512_maskz_loadu_epi32(mask, lanes + v * lane_bytes + p * pair_bytes);
        b[v] = _mm512_maskz_loadu_epi32(mask, lanes + v * lane_bytes + (p + 8) * pair_bytes);
      }
#pragma clang loop unroll(full)
      for (size_t r = 0; r < tile_rows; r++) {
        __m512i e = pair_at(row + r * row_bytes + 4 * p), o = pair_at(row + r * row_bytes + 32 + 4 * p);
        for (int v = 0; v < vectors; v++) even[r][v] = dot2(even[r][v], a[v], e);
        for (int v = 0; v < vectors; v++) odd[r][v] = dot2(odd[r][v], b[v], o);
      }
    }
#pragma clang loop unroll(full)
    for (size_t r = 0; r < tile_rows; r++)
      for (int v = 0; v < vectors; v++)
        sums[r][v] = _mm512_add_ps(sums[r][v], _mm512_add_ps(even[r][v], odd[r][v]));
  }
}

// Has a stretch's rows fetched, all at once: rows lie so far apart that no processor guesses where the next one begins,
// and unpacking would wait for each. (Spread over the products before, the requests cost as much as the waiting.)
CQK_INLINE TARGET void fetch_rows(const uint8_t *w, size_t row_bytes, size_t rows, size_t bytes) {
  if (bytes == 0) return;
  for (size_t r = 0; r < rows; r++, w += row_bytes) {
    for (size_t at = 0; at < bytes; at += 64) _mm_prefetch((const char *)w + at, _MM_HINT_T1);
    // A row seldom begins with a cache line: its last bytes may lie in one more.
    _mm_prefetch((const char *)w + bytes - 1, _MM_HINT_T1);
  }
}

// Rows of w that are unpacked together, steps of a stretch, rows of x that pass by while their sums wait.
// A rest of up to a quarter goes along with the rows before it. With more rows of w, those of x come from far less often.
enum { nt_rows = 128, nt_steps = 16, nt_tokens = 512, nt_most = 640 };

// Up to 128 rows of w to `out`, 1,024 bytes apart; up to the next multiple of 4, rows that are not there are 0.
TARGET static void unpack_rows(
    cqk_type type, const uint8_t *w, size_t row_bytes, size_t rows, size_t count, size_t steps, uint8_t *out) {
  for (size_t r = 0; r < rows; r++) steps_of(type, w + r * row_bytes, count, steps, out + r * nt_steps * 64, 1);
  for (size_t r = rows; r % tile_rows != 0; r++) memset(out + r * nt_steps * 64, 0, nt_steps * 64);
}

// y[x row, w row] from sums[w row, x row] of 16 × 16.
TARGET static void write_turned(
    const float *sums, size_t ld, size_t rows, float *y, size_t ldy, size_t t, int accumulate) {
  __m512i r[16];
  for (size_t i = 0; i < 16; i++) r[i] = i < rows ? _mm512_load_si512(sums + i * ld) : _mm512_setzero_si512();
  transpose16(r);
  __mmask16 wanted = (__mmask16)((1u << rows) - 1);
  for (size_t i = 0; i < t; i++) {
    __m512 sum = _mm512_castsi512_ps(r[i]);
    if (accumulate) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(wanted, y + i * ldy), sum);
    _mm512_mask_storeu_ps(y + i * ldy, wanted, sum);
  }
}

// Some steps of 128 rows of w and one or two groups of x; sums [w row][x row].
CQK_INLINE TARGET void nt_groups(
    const uint8_t *x, size_t group_bytes, size_t width, const uint8_t *rows, size_t count, size_t steps, float *sums,
    size_t ld, int is_first, const int vectors) {
  __mmask16 mask = (__mmask16)((1u << width) - 1);
  for (size_t r = 0; r < count; r += tile_rows) {
    __m512 tile[tile_rows][2];
    float *at = sums + r * ld;
    for (size_t i = 0; i < tile_rows; i++)
      for (int v = 0; v < vectors; v++)
        tile[i][v] = is_first ? _mm512_setzero_ps() : _mm512_load_ps(at + i * ld + 16 * v);
    const uint8_t *row = rows + r * nt_steps * 64;
    multiply_steps(
        x, group_bytes, 64 * width, mask, row, nt_steps * 64, 64, steps, tile,
        r + tile_rows < count ? row + tile_rows * nt_steps * 64 : rows, vectors);
    for (size_t i = 0; i < tile_rows; i++)
      for (int v = 0; v < vectors; v++) _mm512_store_ps(at + i * ld + 16 * v, tile[i][v]);
  }
}

TARGET static void gemm_bf16(
    const uint16_t *packed, cqk_type type, const void *w, size_t row_bytes, float *y, size_t ldy, size_t t, size_t n,
    size_t k, int accumulate, void *scratch) {
  size_t steps = (k + 31) / 32, width = cqk_min(16, t), group_bytes = steps * 64 * width;
  size_t stretch_bytes = k ? cqk_row_bytes(type, 32 * nt_steps) : 0;
  uint8_t *rows = scratch;
  float *sums = (float *)(void *)(rows + nt_rows * nt_steps * 64);
  fetch_rows(w, row_bytes, cqk_min(nt_rows, n), cqk_row_bytes(type, cqk_min(32 * nt_steps, k)));
  for (size_t t0 = 0, tokens; t0 < t; t0 += tokens) {
    tokens = t - t0 <= nt_most ? t - t0 : nt_tokens;
    size_t groups = (tokens + 15) / 16, ld = 16 * groups;
    const uint8_t *x = (const uint8_t *)packed + t0 / 16 * group_bytes;
    for (size_t n0 = 0; n0 < n; n0 += nt_rows) {
      size_t here = cqk_min(nt_rows, n - n0), filled = (here + tile_rows - 1) / tile_rows * tile_rows;
      if (steps == 0) memset(sums, 0, nt_rows * ld * sizeof(float));
      for (size_t s = 0; s < steps; s += nt_steps) {
        size_t count = cqk_min(nt_steps, steps - s);
        unpack_rows(
            type, (const uint8_t *)w + n0 * row_bytes + s / nt_steps * stretch_bytes, row_bytes, here,
            cqk_min(32 * nt_steps, k - 32 * s), count, rows);
        // The stretch that comes next, in these rows or in those after them.
        size_t n1 = s + nt_steps < steps ? n0 : n0 + nt_rows, s1 = s + nt_steps < steps ? s + nt_steps : 0;
        size_t next_rows = n1 < n ? cqk_min(nt_rows, n - n1) : 0;
        size_t next_bytes = cqk_row_bytes(type, cqk_min(32 * nt_steps, k - 32 * s1));
        const uint8_t *next = (const uint8_t *)w + n1 * row_bytes + s1 / nt_steps * stretch_bytes;
        fetch_rows(next, row_bytes, next_rows, next_bytes);
        for (size_t g = 0; g < groups; g += 2) {
          const uint8_t *at = x + g * group_bytes + s * 64 * width;
          if (g + 1 < groups)
            nt_groups(at, group_bytes, 16, rows, filled, count, sums + 16 * g, ld, s == 0, 2);
          else
            nt_groups(at, group_bytes, width, rows, filled, count, sums + 16 * g, ld, s == 0, 1);
        }
      }
      for (size_t g = 0; g < groups; g++)
        for (size_t r = 0; r < here; r += 16)
          write_turned(
              sums + r * ld + 16 * g, ld, cqk_min(16, here - r), y + (t0 + 16 * g) * ldy + n0 + r, ldy,
              cqk_min(16, tokens - 16 * g), accumulate);
    }
  }
}

// For products with w from the left: columns that are unpacked together, tokens whose sums wait, steps of 32 rows; and
// tokens that pass by all of the columns together, so that what is rounded of them stays in the second cache.
enum { nn_columns = 256, nn_tokens = 512, nn_steps = 16, nn_block = 128 };

// 32·`steps` rows of w, of which `rows` are there, 256 columns of which `columns` are: panels of 32 columns, in each two
// vectors, in each 16 pairs of rows (in the order of a step) × 16 columns for every step.
TARGET static void unpack_columns(
    cqk_type type, const uint8_t *w, size_t row_bytes, size_t rows, size_t columns, size_t steps, uint8_t *out) {
  uint8_t upper[8 * 64] __attribute__((aligned(64))), lower[8 * 64] __attribute__((aligned(64)));
  const __m512i low = _mm512_set_epi16(
      47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32,
      0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  size_t panels = (columns + 31) / 32;
  for (size_t s = 0; s < steps; s++)
    for (size_t pair = 0; pair < 16; pair++) {
      // The upper half of a pair is added first.
      size_t first = 32 * s + 4 * (pair % 8) + pair / 8;
      for (size_t i = 0; i < 2; i++) {
        uint8_t *half_pair = i ? lower : upper;
        size_t r = first + 2 * i;
        if (r < rows)
          row_steps(type, w + r * row_bytes, columns, panels, half_pair);
        else
          memset(half_pair, 0, 64 * panels);
      }
      for (size_t p = 0; p < panels; p++) {
        __m512i a = _mm512_load_si512(lower + 64 * p), b = _mm512_load_si512(upper + 64 * p);
        uint8_t *at = out + (2 * p * nn_steps + s) * 1024 + pair * 64;
        _mm512_store_si512(at, _mm512_permutex2var_epi16(a, low, b));
        _mm512_store_si512(at + nn_steps * 1024, _mm512_permutex2var_epi16(a, high, b));
      }
    }
}

// Where a panel's products with some tokens go.
typedef struct {
  float *sums;  // [token][32 columns], of the stretches before
  float *x;     // after the last stretch
  size_t ldx, columns;
  int is_first, is_last, accumulate;
} nn_place;

// One panel with `tokens` rows of y: 64 bytes of each in a step, steps of a group of 16 rows one after another, and
// `group_bytes` between groups.
TARGET static void nn_panel(
    const uint8_t *lanes, const uint8_t *y, size_t group_bytes, size_t tokens, size_t steps, nn_place place) {
  __mmask16 mask[2];
  for (size_t v = 0; v < 2; v++) {
    size_t left = place.columns > 16 * v ? cqk_min(16, place.columns - 16 * v) : 0;
    mask[v] = (__mmask16)((1u << left) - 1);
  }
  for (size_t i = 0; i < tokens; i += tile_rows) {
    size_t after = i + tile_rows < tokens ? i + tile_rows : 0;
    const uint8_t *rows = y + i / 16 * group_bytes + i % 16 * 64;
    const uint8_t *next = y + after / 16 * group_bytes + after % 16 * 64;
    float *at = place.sums + 32 * i;
    __m512 tile[tile_rows][2];
    for (size_t r = 0; r < tile_rows; r++)
      for (size_t v = 0; v < 2; v++)
        tile[r][v] = place.is_first ? _mm512_setzero_ps() : _mm512_load_ps(at + 32 * r + 16 * v);
    multiply_steps(lanes, nn_steps * 1024, 1024, 0xffff, rows, 64, 1024, steps, tile, next, 2);
    for (size_t r = 0; r < tile_rows; r++)
      for (size_t v = 0; v < 2; v++) {
        float *out = place.x + (i + r) * place.ldx + 16 * v;
        if (!place.is_last) {
          _mm512_store_ps(at + 32 * r + 16 * v, tile[r][v]);
        } else if (i + r < tokens && mask[v]) {
          __m512 sum = tile[r][v];
          if (place.accumulate) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask[v], out), sum);
          _mm512_mask_storeu_ps(out, mask[v], sum);
        }
      }
  }
}

TARGET static void gemm_nn_bf16(
    const uint16_t *packed, cqk_type type, const void *w, size_t row_bytes, float *x, size_t ldx, size_t t, size_t n,
    size_t first_k, size_t k, int accumulate, void *scratch) {
  size_t steps = (n + 31) / 32, group_bytes = steps * 1024;
  uint8_t *tiles = scratch;
  float *sums = (float *)(void *)(tiles + nn_columns / 16 * nn_steps * 1024);  // [panel][token][32 columns]
  fetch_rows(
      (const uint8_t *)w + cqk_row_bytes(type, first_k), row_bytes, cqk_min(32 * nn_steps, n),
      cqk_row_bytes(type, cqk_min(nn_columns, k)));
  for (size_t t0 = 0; t0 < t; t0 += nn_tokens)
    for (size_t k0 = 0; k0 < k; k0 += nn_columns) {
      size_t columns = cqk_min(nn_columns, k - k0), tokens = cqk_min(nn_tokens, t - t0);
      const uint8_t *at_w = (const uint8_t *)w + cqk_row_bytes(type, first_k + k0);
      for (size_t s = 0; s < steps || s == 0; s += nn_steps) {
        size_t count = cqk_min(nn_steps, steps - s);
        unpack_columns(type, at_w + 32 * s * row_bytes, row_bytes, n - 32 * s, columns, count, tiles);
        // The rows that come next, of these columns or of those beside them.
        int goes_down = s + nn_steps < steps;
        size_t s1 = goes_down ? s + nn_steps : 0, k1 = goes_down ? k0 : k0 + nn_columns;
        fetch_rows(
            (const uint8_t *)w + cqk_row_bytes(type, first_k + k1) + 32 * s1 * row_bytes, row_bytes,
            k1 < k ? cqk_min(32 * nn_steps, n - 32 * s1) : 0,
            cqk_row_bytes(type, k1 < k ? cqk_min(nn_columns, k - k1) : 0));
        for (size_t i = 0; i < tokens; i += nn_block)
          for (size_t p = 0; p < columns; p += 32)
            nn_panel(
                tiles + p / 16 * nn_steps * 1024, (const uint8_t *)packed + (t0 + i) / 16 * group_bytes + s * 1024,
                group_bytes, cqk_min(nn_block, tokens - i), count,
                (nn_place){sums + p * nn_tokens + 32 * i, x + (t0 + i) * ldx + k0 + p, ldx, columns - p, s == 0,
                           s + count == steps, accumulate});
      }
    }
}

CQK_TABLE(avx512bf16);

// Whether the instruction sums as it is used here, on numbers whose sums need rounding.
TARGET static int sums_in_order(void) {
  uint64_t state = 1;
  for (size_t round = 0; round < 64; round++) {
    uint16_t a[32], b[32];
    float sum[16], found[16];
    for (size_t i = 0; i < 32; i++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      // Signs, exponents of 2⁻⁸ to 2⁷, all digits.
      a[i] = (uint16_t)((state >> 20 & 0x8000) | (119 + (state >> 40 & 15)) << 7 | (state >> 50 & 127));
      b[i] = (uint16_t)((state >> 21 & 0x8000) | (119 + (state >> 44 & 15)) << 7 | (state >> 57 & 127));
      if (i % 2) sum[i / 2] = from_bits((uint32_t)((state >> 1 & 0x80000000u) | (115 + (state >> 33 & 15)) << 23 | (state >> 8 & 0x7fffff)));
    }
    _mm512_storeu_ps(found, dot2(_mm512_loadu_ps(sum), _mm512_loadu_si512(a), _mm512_loadu_si512(b)));
    for (size_t i = 0; i < 16; i++) {
      for (size_t j = 2; j-- > 0;)
        sum[i] = __builtin_fmaf(from_bits((uint32_t)a[2 * i + j] << 16), from_bits((uint32_t)b[2 * i + j] << 16), sum[i]);
      if (to_bits(sum[i]) != to_bits(found[i])) return 0;
    }
  }
  return 1;
}

int cqk_bf16_usable(void) {
  static int state;  // 0 unknown, 1 yes, 2 no; any thread finds the same
  if (!state) {
    int able = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi") &&
               __builtin_cpu_supports("avx512vnni");
    state = able && sums_in_order() ? 1 : 2;
  }
  return state == 1;
}
#endif
