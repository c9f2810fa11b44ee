// The engine's numeric kernels: one table of functions for each instruction set, all with the same bits.
//
// Every function is pure: it writes only where its arguments say, allocates nothing, holds no state. Sizes are counts
// of elements, strides (`ld…`) are counts of floats between the starts of rows.
//
// **The order of summation is part of the interface.** An inner product over k keeps 16 virtual lanes; lane i adds
// the products of all k ≡ i (mod 16) with fused multiply-add in ascending k, the last group filled up with zeros;
// then the lanes are added as a tree, 8+8, 4+4, 2+2, 1+1. Every instruction set does just this, so a result
// depends neither on the machine nor on how many rows were computed together.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "cqk_training.h"

#if defined(__clang__)
#define CQK_NONNULL _Nonnull
#define CQK_NULLABLE _Nullable
// Tables are constants: Swift may share them between threads.
#define CQK_SENDABLE __attribute__((swift_attr("@Sendable")))
#else
#define CQK_SENDABLE
#define CQK_NONNULL
#define CQK_NULLABLE
#endif

typedef enum { CQK_REFERENCE = 0, CQK_AVX2 = 1, CQK_AVX512 = 2 } cqk_isa;

typedef struct CQK_SENDABLE cqk_kernels {
  // "reference", "avx2" or "avx512".
  const char *CQK_NONNULL name;

  // y[t, n] = Σ_k x[t, k] · w[n, k], or += the finished sum when `accumulate` is not 0.
  void (*CQK_NONNULL gemm_nt_f32)(
      const float *CQK_NONNULL x, size_t ldx, const float *CQK_NONNULL w, size_t ldw, float *CQK_NONNULL y,
      size_t ldy, size_t t, size_t n, size_t k, int accumulate);

  // y[t, e] = fma(p[t, j], v[j, e], y[t, e]) for j = 0, 1, … in this order, j < min(n, limit + t·step).
  // With step 1 this is the causal weighted sum of attention; with step 0 and limit n a plain product that continues
  // what y holds.
  void (*CQK_NONNULL gemm_nn_f32)(
      const float *CQK_NONNULL p, size_t ldp, const float *CQK_NONNULL v, size_t ldv, float *CQK_NONNULL y,
      size_t ldy, size_t t, size_t n, size_t e, size_t limit, size_t step);

  // y = exp(x), to about one unit in the last place.
  void (*CQK_NONNULL exp_f32)(const float *CQK_NONNULL x, float *CQK_NONNULL y, size_t n);
  // y += x
  void (*CQK_NONNULL add_f32)(const float *CQK_NONNULL x, float *CQK_NONNULL y, size_t n);
  // y = fma(a, x, y)
  void (*CQK_NONNULL axpy_f32)(float a, const float *CQK_NONNULL x, float *CQK_NONNULL y, size_t n);
  // y = gate / (1 + exp(−gate)) · up. y may be gate or up.
  void (*CQK_NONNULL silu_mul_f32)(
      const float *CQK_NONNULL gate, const float *CQK_NONNULL up, float *CQK_NONNULL y, size_t n);
  // y[t] = x[t] · (1 / √(mean(x[t]²) + epsilon)) · gain, rows of d.
  void (*CQK_NONNULL rms_norm_f32)(
      const float *CQK_NONNULL x, size_t ldx, const float *CQK_NONNULL gain, float *CQK_NONNULL y, size_t ldy,
      size_t t, size_t d, float epsilon);
  // In place: row t becomes softmax(scale · s[t, j]) over j < end = min(n, limit + t·step), of which only the last
  // `window` count and the others become 0. What stands at end and beyond is left alone.
  void (*CQK_NONNULL softmax_f32)(
      float *CQK_NONNULL s, size_t lds, size_t t, size_t n, size_t limit, size_t step, size_t window, float scale);
  // Turns pairs (2p, 2p+1) of each head by the angle of row t and pair p; cosine and sine are [t, rotated/2].
  void (*CQK_NONNULL rope_f32)(
      float *CQK_NONNULL x, size_t ldx, const float *CQK_NONNULL cosine, const float *CQK_NONNULL sine, size_t t,
      size_t heads, size_t e, size_t rotated);

  // Stored weights as floats, exactly as the formats define them. n is a multiple of the type's block.
  void (*CQK_NONNULL dequantize_f16)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_bf16)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q8_0)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q4_0)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q4_1)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q5_0)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q5_1)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q2_K)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q3_K)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q4_K)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q5_K)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_q6_K)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_iq4_NL)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
  void (*CQK_NONNULL dequantize_iq4_XS)(const void *CQK_NONNULL blocks, float *CQK_NONNULL y, size_t n);
} cqk_kernels;

// The table of an instruction set, or NULL when this machine lacks it. The reference is always there.
const cqk_kernels *CQK_NULLABLE cqk_kernels_for(cqk_isa isa);

// out[c, r] = in[r, c].
void cqk_transpose_f32(
    const float *CQK_NONNULL in, size_t ldin, float *CQK_NONNULL out, size_t ldout, size_t rows, size_t columns);
