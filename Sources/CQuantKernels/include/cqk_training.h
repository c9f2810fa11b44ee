// Elementwise and row-wise kernels of the training pass (forward and backward), all on F32.
//
// Every function gives the same bits on every x86-64 machine: fused multiply-adds only where written, our own
// exponential, sums in a fixed order (16 lanes, element i in lane i mod 16, then a fixed tree over the lanes). Norms
// and rotations have the bits of the inference kernels.
// None allocates, none holds state, all work on the rows or elements that they are given, so that callers may
// split rows among threads without changing a bit.
//
// Symbols: T rows (tokens), D columns, E head dimension.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// y[t] = x[t] · gain / rms(x[t]), scale[t] = 1 / sqrt(mean(x[t]²) + epsilon). x, y `[rows, d]`, scale `[rows]`.
void cqk_t_rmsnorm(const float *x, const float *gain, float *y, float *scale, size_t rows, size_t d, float epsilon);

/// dx[t] += derivative of `cqk_t_rmsnorm` with respect to x, times dy[t].
void cqk_t_rmsnorm_back(const float *dy, const float *x, const float *gain, const float *scale, float *dx,
                        size_t rows, size_t d);

/// dgain[c] += Σ_t dy[t,c]·x[t,c]·scale[t] for columns `first ..< last`, t ascending.
void cqk_t_rmsnorm_gain_back(const float *dy, const float *x, const float *scale, float *dgain, size_t rows,
                             size_t d, size_t first, size_t last);

/// Rotates neighbouring pairs (2i, 2i+1) of the first `rotated` dimensions of each head by ±angle (sign = ±1).
/// x `[rows, heads·e]` with row stride `stride`; tables `[position, rotated/2]`.
void cqk_t_rope(float *x, size_t rows, size_t stride, size_t heads, size_t e, size_t rotated,
                const int32_t *positions, const float *cosines, const float *sines, float sign);

/// h = silu(gate) · up, elementwise.
void cqk_t_swiglu(const float *gate, const float *up, float *h, size_t n);

/// Replaces gate and up by their gradients, given dh.
void cqk_t_swiglu_back(const float *dh, float *gate, float *up, size_t n);

/// out[c, r] = in[r, c].
void cqk_t_transpose(const float *in, size_t ldin, float *out, size_t ldout, size_t rows, size_t columns);

/// dp = p · (dp - delta[r]) · scale, row by row.
void cqk_t_softmax_back(const float *p, float *dp, size_t rows, size_t columns, size_t stride, const float *delta,
                        float scale);

/// exp in place and natural logarithm, with the bits of Swift's ReproducibleMath.
void cqk_t_exp_f64(double *x, size_t n);
void cqk_t_log_f64(const double *x, double *y, size_t n);

/// out[r] = a[r] · b[r]
void cqk_t_row_dots(const float *a, size_t a_stride, const float *b, size_t b_stride, size_t rows, size_t n,
                    float *out);

/// Cross-entropy of rows of logits `[rows, v]`, which become weight[r] · d loss / d logit.
/// sum[r] = Σ exp(logit - max), margin[r] = max - logit of the target: the loss is log(sum) + margin.
void cqk_t_cross_entropy(float *logits, size_t rows, size_t v, const int32_t *targets, const float *weights,
                         float *sum, float *margin);

/// One AdamW update (Loshchilov, Hutter 2019), with the gradient first multiplied by gradient_scale.
/// correction1 = 1 / (1 - beta1^t), correction2 = 1 / sqrt(1 - beta2^t).
void cqk_t_adamw(float *p, const float *g, float *m, float *v, size_t n, float rate, float beta1, float beta2,
                 float epsilon, float correction1, float correction2, float decay, float gradient_scale);

/// One step of gradient descent with momentum: m = momentum·m + g, p -= rate·(m + decay·p).
void cqk_t_sgd(float *p, const float *g, float *m, size_t n, float rate, float momentum, float decay,
               float gradient_scale);

/// Σ x², in double precision.
double cqk_t_sum_of_squares(const float *x, size_t n);

/// y += x
void cqk_t_add(float *y, const float *x, size_t n);

/// y = x rounded to the nearest bf16, ties to even; NaN stays NaN.
void cqk_t_round_bf16(const float *x, uint16_t *y, size_t n);

/// y = the values that `cqk_t_round_bf16` made.
void cqk_t_widen_bf16(const uint16_t *x, float *y, size_t n);

/// x = the value of x rounded to bf16.
void cqk_t_round_in_place(float *x, size_t n);

/// y += bias, for each row; y `[rows, d]`.
void cqk_t_add_bias(float *y, const float *bias, size_t rows, size_t d);

/// sums[c] += Σ_t x[t,c], t ascending.
void cqk_t_column_sums(const float *x, float *sums, size_t rows, size_t d);

/// y = x with each element zeroed with probability `rate` and the others divided by 1 - rate; element i's draw is a
/// hash of seed and `first + i`, so that the backward pass can repeat it.
void cqk_t_dropout(const float *x, float *y, size_t n, float rate, uint64_t seed, uint64_t first);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
