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

typedef enum {
  CQK_REFERENCE = 0,
  CQK_AVX2 = 1,
  CQK_AVX512 = 2,
  CQK_AMX = 3,
  CQK_AVX2_VNNI = 4,
  CQK_AVX512_VNNI = 5,
  CQK_AVX512_BF16 = 6,
} cqk_isa;

// How weights are stored, with GGUF's numbers.
typedef enum {
  CQK_F32 = 0,
  CQK_F16 = 1,
  CQK_Q4_0 = 2,
  CQK_Q4_1 = 3,
  CQK_Q5_0 = 6,
  CQK_Q5_1 = 7,
  CQK_Q8_0 = 8,
  CQK_Q2_K = 10,
  CQK_Q3_K = 11,
  CQK_Q4_K = 12,
  CQK_Q5_K = 13,
  CQK_Q6_K = 14,
  CQK_IQ4_NL = 20,
  CQK_IQ4_XS = 23,
  CQK_BF16 = 30,
} cqk_type;

typedef struct CQK_SENDABLE cqk_kernels {
  // "reference", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16" or "amx".
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

  // Products of numbers rounded to bf16, summed in F32 in the order that bf16_body.h sets down.
  //
  // x `[t, k]`, rounded and packed for `gemm_bf16`: groups of `width` rows (16, or the product's t when that is less), in
  // each of them steps of 32 inputs, in each step 16 pairs of inputs, in each pair the group's rows.
  // `cqk_packed_bf16_count` numbers in all.
  void (*CQK_NONNULL pack_bf16)(
      const float *CQK_NONNULL x, size_t ldx, uint16_t *CQK_NONNULL packed, size_t t, size_t width, size_t k);
  // y[t, n] = Σ_k x[t, k] · w[n, k], or += the finished sum. `w` are stored rows, `row_bytes` apart; `scratch` has
  // `cqk_bf16_scratch_bytes(t)` bytes, 64-byte aligned, and is nobody else's during the call.
  void (*CQK_NONNULL gemm_bf16)(
      const uint16_t *CQK_NONNULL packed, cqk_type type, const void *CQK_NONNULL w, size_t row_bytes,
      float *CQK_NONNULL y, size_t ldy, size_t t, size_t n, size_t k, int accumulate, void *CQK_NONNULL scratch);

  // y `[t, n]`, rounded and packed for `gemm_nn_bf16`: groups of 16 rows, the last one filled up with zeros; in each of
  // them steps of 32 columns, likewise; in each step 16 rows of 32. `cqk_row_packed_bf16_count` numbers in all.
  void (*CQK_NONNULL pack_rows_bf16)(
      const float *CQK_NONNULL y, size_t ldy, uint16_t *CQK_NONNULL packed, size_t t, size_t n);
  // x[t, k] = Σ_n y[t, n] · w[n, k] for the k of `first_k ..< first_k + k`, both multiples of 32 and of the type's blocks
  // unless it has none; or += the finished sum. x points at its own first column. `scratch` has CQK_NN_BF16_SCRATCH
  // bytes. What a linear map sends back to its input.
  void (*CQK_NONNULL gemm_nn_bf16)(
      const uint16_t *CQK_NONNULL packed, cqk_type type, const void *CQK_NONNULL w, size_t row_bytes,
      float *CQK_NONNULL x, size_t ldx, size_t t, size_t n, size_t first_k, size_t k, int accumulate,
      void *CQK_NONNULL scratch);

  // Products of inputs in codes of 8 bits with packed weights, summed exactly within blocks of 32; int8_body.h sets
  // down the order beyond. k is a multiple of the type's block.
  //
  // x `[t, k]` as codes with scales, `cqk_int8_input_bytes(k)` bytes a row.
  void (*CQK_NONNULL quantize_int8)(
      const float *CQK_NONNULL x, size_t ldx, int8_t *CQK_NONNULL codes, size_t t, size_t k);
  // y[t, n] = Σ_k x[t, k] · w[n, k], or += the finished sum; `panels` hold 16 rows of w each, as
  // `cqk_pack_int8_panel` made them.
  void (*CQK_NONNULL gemm_int8)(
      const int8_t *CQK_NONNULL codes, cqk_type type, const void *CQK_NONNULL panels, float *CQK_NONNULL y, size_t ldy,
      size_t t, size_t n, size_t k, int accumulate);
} cqk_kernels;

// Bytes of 16 packed rows of k weights; 0 for a type that has no integer products.
size_t cqk_int8_panel_bytes(cqk_type type, size_t k);
// Packs up to 16 stored rows; missing ones become 0.
void cqk_pack_int8_panel(
    cqk_type type, const void *CQK_NONNULL w, size_t row_bytes, size_t rows, size_t k, void *CQK_NONNULL panel);
static inline size_t cqk_int8_input_bytes(size_t k) { return k / 32 * 52; }

// Weights in a block of this type, and its bytes.
static inline size_t cqk_block_size(cqk_type type) {
  switch (type) {
    case CQK_F32: case CQK_F16: case CQK_BF16: return 1;
    case CQK_Q4_0: case CQK_Q4_1: case CQK_Q5_0: case CQK_Q5_1: case CQK_Q8_0: case CQK_IQ4_NL: return 32;
    default: return 256;
  }
}
static inline size_t cqk_block_bytes(cqk_type type) {
  switch (type) {
    case CQK_F32: return 4;
    case CQK_F16: case CQK_BF16: return 2;
    case CQK_Q4_0: case CQK_IQ4_NL: return 18;
    case CQK_Q4_1: return 20;
    case CQK_Q5_0: return 22;
    case CQK_Q5_1: return 24;
    case CQK_Q8_0: return 34;
    case CQK_Q2_K: return 84;
    case CQK_Q3_K: return 110;
    case CQK_Q4_K: return 144;
    case CQK_Q5_K: return 176;
    case CQK_Q6_K: return 210;
    default: return 136;
  }
}
// Bytes of `count` weights, whole blocks.
static inline size_t cqk_row_bytes(cqk_type type, size_t count) {
  return count / cqk_block_size(type) * cqk_block_bytes(type);
}
static inline size_t cqk_packed_bf16_count(size_t t, size_t k) {
  size_t groups = (t + 15) / 16, width = t < 16 ? t : 16;
  return groups * width * ((k + 31) / 32 * 32);
}
static inline size_t cqk_row_packed_bf16_count(size_t t, size_t n) { return (t + 15) / 16 * 16 * ((n + 31) / 32 * 32); }
enum { CQK_NN_BF16_SCRATCH = 768 * 1024 };
static inline size_t cqk_bf16_scratch_bytes(size_t t) {
  size_t plain = 256 * ((t + 15) / 16), tiles = 640 * 1024;
  return plain > tiles ? plain : tiles;
}

// The table of an instruction set, or NULL when this machine lacks it. The reference is always there.
const cqk_kernels *CQK_NULLABLE cqk_kernels_for(cqk_isa isa);

// Tells the processor that this thread only waits.
static inline void cqk_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
