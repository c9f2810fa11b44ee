// Dispatch of the training kernels: training_body.h compiled for three instruction sets, chosen by the CPU's
// features at each call. The three give the same bits.
#include "cqk_training.h"
#include "internal.h"

// Functions that take or return whole vectors are inlined into this file: no calling convention is involved.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v16 __attribute__((ext_vector_type(16)));
typedef float v8 __attribute__((ext_vector_type(8)));
typedef float v4 __attribute__((ext_vector_type(4)));
typedef int32_t i16 __attribute__((ext_vector_type(16)));
typedef double d8 __attribute__((ext_vector_type(8)));
typedef int64_t l8 __attribute__((ext_vector_type(8)));

#define NAME(x) x##_any
#include "training_body.h"
#undef NAME

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME(x) x##_avx2
#include "training_body.h"
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define NAME(x) x##_avx512
#include "training_body.h"
#undef NAME
#pragma clang attribute pop

#define CALL(name, ...)                                                                      \
  (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&                \
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")          \
       ? name##_avx512(__VA_ARGS__)                                                          \
       : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? name##_avx2(__VA_ARGS__) : name##_any(__VA_ARGS__))
#else
#define CALL(name, ...) name##_any(__VA_ARGS__)
#endif

void cqk_t_rmsnorm(const float *x, const float *gain, float *y, float *scale, size_t rows, size_t d,
                   float epsilon) {
  CALL(rmsnorm, x, gain, y, scale, rows, d, epsilon);
}
void cqk_t_rmsnorm_back(const float *dy, const float *x, const float *gain, const float *scale, float *dx,
                        size_t rows, size_t d) {
  CALL(rmsnorm_back, dy, x, gain, scale, dx, rows, d);
}
void cqk_t_rmsnorm_gain_back(const float *dy, const float *x, const float *scale, float *dgain, size_t rows,
                             size_t d, size_t first, size_t last) {
  CALL(rmsnorm_gain_back, dy, x, scale, dgain, rows, d, first, last);
}
void cqk_t_exp_f64(double *x, size_t n) { CALL(exp_f64, x, n); }
void cqk_t_log_f64(const double *x, double *y, size_t n) { CALL(log_f64, x, y, n); }
void cqk_t_rope(float *x, size_t rows, size_t stride, size_t heads, size_t e, size_t rotated,
                const int32_t *positions, const float *cosines, const float *sines, float sign) {
  CALL(rope, x, rows, stride, heads, e, rotated, positions, cosines, sines, sign);
}
void cqk_t_swiglu(const float *gate, const float *up, float *h, size_t n) { CALL(swiglu, gate, up, h, n); }
void cqk_t_swiglu_back(const float *dh, float *gate, float *up, size_t n) { CALL(swiglu_back, dh, gate, up, n); }
void cqk_t_softmax_back(const float *p, float *dp, size_t rows, size_t columns, size_t stride, const float *delta,
                        float scale) {
  CALL(softmax_back, p, dp, rows, columns, stride, delta, scale);
}
void cqk_t_row_dots(const float *a, size_t a_stride, const float *b, size_t b_stride, size_t rows, size_t n,
                    float *out) {
  CALL(row_dots, a, a_stride, b, b_stride, rows, n, out);
}
void cqk_t_transpose(const float *in, size_t ldin, float *out, size_t ldout, size_t rows, size_t columns) {
  CALL(transpose, in, ldin, out, ldout, rows, columns);
}
void cqk_t_cross_entropy(float *logits, size_t rows, size_t v, const int32_t *targets, const float *weights,
                         float *sum, float *margin) {
  CALL(cross_entropy, logits, rows, v, targets, weights, sum, margin);
}
void cqk_t_adamw(float *p, const float *g, float *m, float *v, size_t n, float rate, float beta1, float beta2,
                 float epsilon, float correction1, float correction2, float decay, float gradient_scale) {
  CALL(adamw, p, g, m, v, n, rate, beta1, beta2, epsilon, correction1, correction2, decay, gradient_scale);
}
void cqk_t_sgd(float *p, const float *g, float *m, size_t n, float rate, float momentum, float decay,
               float gradient_scale) {
  CALL(sgd, p, g, m, n, rate, momentum, decay, gradient_scale);
}
double cqk_t_sum_of_squares(const float *x, size_t n) { return CALL(sum_of_squares, x, n); }
void cqk_t_round_bf16(const float *x, uint16_t *y, size_t n) { CALL(round_bf16, x, y, n); }
void cqk_t_widen_bf16(const uint16_t *x, float *y, size_t n) { CALL(widen_bf16, x, y, n); }
void cqk_t_round_in_place(float *x, size_t n) { CALL(round_in_place, x, n); }
void cqk_t_add(float *y, const float *x, size_t n) { CALL(add, y, x, n); }
void cqk_t_add_bias(float *y, const float *bias, size_t rows, size_t d) { CALL(add_bias, y, bias, rows, d); }
void cqk_t_column_sums(const float *x, float *sums, size_t rows, size_t d) { CALL(column_sums, x, sums, rows, d); }
void cqk_t_dropout(const float *x, float *y, size_t n, float rate, uint64_t seed, uint64_t first) {
  CALL(dropout, x, y, n, rate, seed, first);
}
