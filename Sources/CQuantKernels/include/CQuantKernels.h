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
} cqk_kernels;

// The table of an instruction set, or NULL when this machine lacks it. The reference is always there.
const cqk_kernels *CQK_NULLABLE cqk_kernels_for(cqk_isa isa);

// out[c, r] = in[r, c].
void cqk_transpose_f32(
    const float *CQK_NONNULL in, size_t ldin, float *CQK_NONNULL out, size_t ldout, size_t rows, size_t columns);
