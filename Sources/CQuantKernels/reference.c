// The kernels in plain C: the definition that the fast ones are tested against, and what runs on a machine without
// AVX2. Slow where the C library's fmaf is slow.
#include <math.h>

#include "internal.h"

#define TARGET

static float dot(const float *x, const float *w, size_t k) {
  float lane[16] = {0};
  size_t i = 0;
  for (; i + 16 <= k; i += 16)
    for (size_t l = 0; l < 16; l++) lane[l] = fmaf(x[i + l], w[i + l], lane[l]);
  if (i < k)
    for (size_t l = 0; l < 16; l++) {
      int inside = i + l < k;
      lane[l] = fmaf(inside ? x[i + l] : 0, inside ? w[i + l] : 0, lane[l]);
    }
  for (size_t half = 8; half > 0; half /= 2)
    for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
  return lane[0];
}

static void gemm_nt_f32(
    const float *x, size_t ldx, const float *w, size_t ldw, float *y, size_t ldy, size_t t, size_t n, size_t k,
    int accumulate) {
  for (size_t i = 0; i < t; i++)
    for (size_t j = 0; j < n; j++) {
      float sum = dot(x + i * ldx, w + j * ldw, k);
      float *at = y + i * ldy + j;
      *at = accumulate ? *at + sum : sum;
    }
}

static void gemm_nn_f32(
    const float *p, size_t ldp, const float *v, size_t ldv, float *y, size_t ldy, size_t t, size_t n, size_t e,
    size_t limit, size_t step) {
  for (size_t i = 0; i < t; i++) {
    size_t end = cqk_min(n, limit + i * step);
    for (size_t j = 0; j < end; j++)
      for (size_t c = 0; c < e; c++)
        y[i * ldy + c] = fmaf(p[i * ldp + j], v[j * ldv + c], y[i * ldy + c]);
  }
}

#include "pointwise.h"
#include "bf16_body.h"
#include "int8_body.h"
CQK_TABLE(reference);
