// The integer products of int8_body.h for many rows of x, with 512-bit registers and VNNI; included by int8_simd.h.
//
// A tile is CQK_WIDE_TOKENS rows of x times two panels: four neighbouring codes of x, spread over a register, serve 32
// rows of w, so that two loads a cycle keep up with two dot products. A tile takes a stretch of blocks whose codes stay
// in the first-level cache while a group of rows of x, which fits the second-level one, passes by; finished parts wait
// in y. That changes no bit: a sum goes on where it stood.
#ifndef CQK_WIDE_TOKENS
#define CQK_WIDE_TOKENS 5
#endif
#ifndef CQK_WIDE_BLOCKS
#define CQK_WIDE_BLOCKS 32
#endif
enum { wide_tokens = CQK_WIDE_TOKENS, wide_blocks = CQK_WIDE_BLOCKS, wide_group = 260, wide_rows = 256 };

// Codes of the panels that come next, asked for a little in each block: `step` bytes of both.
typedef struct {
  const uint8_t *at;
  size_t panel, step;
} wide_next;


// What a block of one panel adds to a sum: y = fma(sum, d · scale, y), then what `second` says.
typedef struct {
  __m512 d, least, scale, second;
} wide_scales;

CQK_INLINE TARGET const uint8_t *wide_head(const cqk_scales kind, const uint8_t *w, size_t b, wide_scales *s) {
  if (!cqk_head_bytes(kind) || b % 8 != 0) return w;
  s->d = halves_at(w);
  if (kind == CQK_MINIMUM) s->least = halves_at(w + 32);
  return w + cqk_head_bytes(kind);
}

CQK_INLINE TARGET void wide_block_scales(const cqk_scales kind, const uint8_t *w, wide_scales *s) {
  switch (kind) {
    case CQK_PLAIN: s->scale = halves_at(w); break;
    case CQK_OFFSET:
      s->scale = halves_at(w);
      s->second = halves_at(w + 32);
      break;
    case CQK_MINIMUM:
      s->scale = _mm512_mul_ps(s->d, bytes_at(w, 0));
      s->second = _mm512_mul_ps(s->least, bytes_at(w + 16, 0));
      break;
    case CQK_SIGNED: s->scale = _mm512_mul_ps(s->d, bytes_at(w, 1)); break;
    case CQK_HALVED:
      s->scale = _mm512_mul_ps(s->d, bytes_at(w, 1));
      s->second = _mm512_mul_ps(s->d, bytes_at(w + 16, 1));
      break;
  }
}

// Codes of inputs 4j…4j+3, and for small ones of 16+4j… as well.
CQK_INLINE TARGET void wide_codes(const cqk_coding c, const uint8_t *codes, size_t j, __m512i *low, __m512i *high) {
  __m512i both = _mm512_loadu_si512(codes + 64 * j);
  if (c.is_small) {
    *low = _mm512_and_si512(both, _mm512_set1_epi8(15));
    *high = _mm512_and_si512(_mm512_srli_epi16(both, 4), _mm512_set1_epi8(15));
  } else {
    *low = both;
    *high = _mm512_loadu_si512(codes + 64 * (j + 4));
  }
}

CQK_INLINE TARGET const cqk_x_block *wide_input(const int8_t *x, size_t ldx, size_t row, size_t b) {
  return (const cqk_x_block *)(const void *)(x + row * ldx) + b;
}

CQK_INLINE TARGET __m512i spread(const int8_t *x) {
  int32_t four;
  memcpy(&four, x, 4);
  return _mm512_set1_epi32(four);
}

// Blocks `first ..< end` of `tokens` rows of x times two panels, whose block `first` begins at w[0] and w[1]. The sums go
// on from y unless first is 0.
CQK_INLINE TARGET const uint8_t *wide_tile(
    const cqk_coding c, const int8_t *x, size_t ldx, const uint8_t *w0, const uint8_t *w1, float *y, size_t ldy,
    size_t first, size_t end, __mmask16 columns, const int add, wide_next next,
    const size_t tokens) {
  const size_t scales = cqk_scale_bytes(c.scales), codes = cqk_code_bytes(c.is_small);
  __m512 acc0[wide_tokens], acc1[wide_tokens];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tokens; i++) {
    acc0[i] = first == 0 ? _mm512_setzero_ps() : _mm512_loadu_ps(y + i * ldy);
    acc1[i] = first == 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(columns, y + i * ldy + 16);
  }
  wide_scales s0 = {0}, s1 = {0};
  for (size_t b = first; b < end; b++) {
    w0 = wide_head(c.scales, w0, b, &s0);
    w1 = wide_head(c.scales, w1, b, &s1);
    for (size_t at = 0; at < next.step; at += 64) {
      _mm_prefetch((const char *)next.at + at, _MM_HINT_T1);
      _mm_prefetch((const char *)next.at + next.panel + at, _MM_HINT_T1);
    }
    next.at += next.step;
    __m512i sum0[wide_tokens], sum1[wide_tokens], low0, low1, high0, high1;
      if (c.scales == CQK_HALVED) {
      // The halves one after the other, each with a scale of its own.
      wide_block_scales(c.scales, w0, &s0);
      wide_block_scales(c.scales, w1, &s1);
#pragma clang loop unroll(full)
      for (size_t part = 0; part < 2; part++) {
#pragma clang loop unroll(full)
        for (size_t i = 0; i < tokens; i++)
          sum0[i] = sum1[i] = bias_times(c.bias, wide_input(x, ldx, i, b)->half_sum[part]);
#pragma clang loop unroll(full)
        for (size_t j = 0; j < 4; j++) {
          wide_codes(c, w0 + scales, j, &low0, &high0);
          wide_codes(c, w1 + scales, j, &low1, &high1);
#pragma clang loop unroll(full)
          for (size_t i = 0; i < tokens; i++) {
            __m512i inputs = spread(wide_input(x, ldx, i, b)->code + 16 * part + 4 * j);
            sum0[i] = CQK_VNNI(sum0[i], part ? high0 : low0, inputs);
            sum1[i] = CQK_VNNI(sum1[i], part ? high1 : low1, inputs);
          }
        }
#pragma clang loop unroll(full)
        for (size_t i = 0; i < tokens; i++) {
          __m512 dx = _mm512_set1_ps(wide_input(x, ldx, i, b)->scale);
          acc0[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum0[i]), _mm512_mul_ps(dx, part ? s0.second : s0.scale), acc0[i]);
          acc1[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum1[i]), _mm512_mul_ps(dx, part ? s1.second : s1.scale), acc1[i]);
        }
      }
    } else {
#pragma clang loop unroll(full)
      for (size_t i = 0; i < tokens; i++)
        sum0[i] = sum1[i] = bias_times(c.bias, wide_input(x, ldx, i, b)->sum);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < 4; j++) {
        wide_codes(c, w0 + scales, j, &low0, &high0);
        wide_codes(c, w1 + scales, j, &low1, &high1);
#pragma clang loop unroll(full)
        for (size_t i = 0; i < tokens; i++) {
          __m512i inputs = spread(wide_input(x, ldx, i, b)->code + 4 * j);
          sum0[i] = CQK_VNNI(sum0[i], low0, inputs);
          sum1[i] = CQK_VNNI(sum1[i], low1, inputs);
        }
#pragma clang loop unroll(full)
        for (size_t i = 0; i < tokens; i++) {
          __m512i inputs = spread(wide_input(x, ldx, i, b)->code + 16 + 4 * j);
          sum0[i] = CQK_VNNI(sum0[i], high0, inputs);
          sum1[i] = CQK_VNNI(sum1[i], high1, inputs);
        }
      }
      wide_block_scales(c.scales, w0, &s0);
      wide_block_scales(c.scales, w1, &s1);
#pragma clang loop unroll(full)
      for (size_t i = 0; i < tokens; i++) {
        __m512 dx = _mm512_set1_ps(wide_input(x, ldx, i, b)->scale);
        acc0[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum0[i]), _mm512_mul_ps(dx, s0.scale), acc0[i]);
        acc1[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum1[i]), _mm512_mul_ps(dx, s1.scale), acc1[i]);
        __m512 offset = _mm512_set1_ps(wide_input(x, ldx, i, b)->offset);
        if (c.scales == CQK_OFFSET) {
          acc0[i] = _mm512_fmadd_ps(s0.second, offset, acc0[i]);
          acc1[i] = _mm512_fmadd_ps(s1.second, offset, acc1[i]);
        }
        if (c.scales == CQK_MINIMUM) {
          acc0[i] = _mm512_fnmadd_ps(s0.second, offset, acc0[i]);
          acc1[i] = _mm512_fnmadd_ps(s1.second, offset, acc1[i]);
        }
      }
    }
    w0 += scales + codes;
    w1 += scales + codes;
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tokens; i++) {
    float *at = y + i * ldy;
    if (add) {
      acc0[i] = _mm512_add_ps(_mm512_loadu_ps(at), acc0[i]);
      acc1[i] = _mm512_add_ps(_mm512_maskz_loadu_ps(columns, at + 16), acc1[i]);
    }
    _mm512_storeu_ps(at, acc0[i]);
    _mm512_mask_storeu_ps(at + 16, columns, acc1[i]);
  }
  return next.at;
}

// `t` rows of x times the panels of n rows of w, more than 16. From the outside in: a group of rows of x; as many rows of
// w as give few enough unfinished sums; a stretch of blocks, in which the group's codes fit the second-level cache; two
// panels; the tiles of the group.
CQK_INLINE TARGET size_t wide_panels(
    cqk_coding c, const int8_t *x, size_t ldx, const uint8_t *w, size_t panel, float *y, size_t ldy, size_t t, size_t n,
    size_t k, int accumulate) {
  const size_t block = cqk_scale_bytes(c.scales) + cqk_code_bytes(c.is_small), head = cqk_head_bytes(c.scales);
  // A product that is added to y can't wait there.
  const size_t stretch = accumulate ? k / 32 : wide_blocks, wide_n = n % 32 > 16 ? n : n / 32 * 32;
  for (size_t i0 = 0; i0 < t; i0 += wide_group)
    for (size_t j0 = 0; j0 < wide_n; j0 += wide_rows)
      for (size_t first = 0; first < k / 32; first += stretch)
        for (size_t j = j0; j < cqk_min(wide_n, j0 + wide_rows); j += 32) {
          size_t end = cqk_min(k / 32, first + stretch), i = i0, last = cqk_min(t, i0 + wide_group);
          const uint8_t *w0 = w + j / 16 * panel + first * block + first / 8 * head;
          __mmask16 columns = (__mmask16)((1u << cqk_min(16, n - j - 16)) - 1);
          // Behind the last panel the same lines are asked for again.
          wide_next next = {w0 + (j + 64 <= n ? 2 * panel : 0), panel, block * wide_tokens / (last - i0) + 1};
#define CQK_WIDE(count)                                                                                              \
  for (; i + count <= last; i += count)                                                                              \
    next.at = wide_tile(                                                                                             \
        c, x + i * ldx, ldx, w0, w0 + panel, y + i * ldy + j, ldy, first, end, columns, accumulate, next, count);
          CQK_WIDE(wide_tokens)
          CQK_WIDE(3)
          CQK_WIDE(2)
          CQK_WIDE(1)
#undef CQK_WIDE
        }
  return wide_n;
}
