// Included by training.c once per instruction set, with NAME(x) giving the function's name for that set.
// Plain loops and a 16-wide vector type: the compiler chooses the instructions, never the order of a sum.

CQK_INLINE v16 NAME(load)(const float *p) {
  v16 r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}

CQK_INLINE void NAME(store)(float *p, v16 x) { __builtin_memcpy(p, &x, sizeof x); }

CQK_INLINE float NAME(lanes)(v16 x) {
  v8 a = x.lo + x.hi;
  v4 b = a.lo + a.hi;
  return (b[0] + b[2]) + (b[1] + b[3]);
}

CQK_INLINE v16 NAME(splat)(float x) { return (v16)(x); }

/// exp for 16 values, within 2 ulp; 0 below -87.3, e^88.3 above 88.3; NaN stays NaN.
CQK_INLINE v16 NAME(exp16)(v16 x) {
  const v16 low = NAME(splat)(-87.3f), high = NAME(splat)(88.3f);
  v16 c = x > high ? high : x;
  c = c < low ? low : c;
  const float magic = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer
  v16 n = (c * 1.44269504f + magic) - magic;
  v16 r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
  v16 p = NAME(splat)(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * (r * r) + r) + 1.0f;
  // A NaN has no integer: it keeps its p, and any power of two leaves it NaN.
  v16 whole = n == n ? n : NAME(splat)(0);
  i16 bits = (__builtin_convertvector(whole, i16) + 127) << 23;
  v16 power;
  __builtin_memcpy(&power, &bits, sizeof power);
  v16 y = p * power;
  return x < low ? NAME(splat)(0) : y;
}

CQK_INLINE float NAME(exp1)(float x) { return NAME(exp16)(NAME(splat)(x))[0]; }

/// exp of 8 doubles as ReproducibleMath.exp: x = n · ln 2 + r, and 16 terms of the series.
CQK_INLINE d8 NAME(exp8)(d8 x) {
  const d8 high = (d8)(709.7), low = (d8)(-745.0);
  d8 c = x > high ? high : x;
  c = c < low ? low : c;
  c = x == x ? c : (d8)(0);
  d8 count = __builtin_elementwise_roundeven(c * 1.4426950408889634);
  d8 r = __builtin_elementwise_fma(-count, (d8)(0x1.62e42fefa39efp-1), c);
  r = __builtin_elementwise_fma(-count, (d8)(0x1.abc9e3b39803fp-56), r);
  d8 sum = (d8)(1.0);
  for (int k = 16; k >= 1; k--) sum = 1.0 + sum * (r / (double)k);
  l8 n = __builtin_convertvector(count, l8);
  l8 half = (n - (n >> 63)) >> 1;
  l8 first = (half + 1023) << 52, second = (n - half + 1023) << 52;
  d8 a, b;
  __builtin_memcpy(&a, &first, sizeof a);
  __builtin_memcpy(&b, &second, sizeof b);
  d8 y = sum * a * b;
  y = x > high ? (d8)(__builtin_inf()) : y;
  y = x < low ? (d8)(0) : y;
  return x == x ? y : x;
}

/// Natural logarithm of 8 doubles as ReproducibleMath.log: 2 · artanh((m - 1) / (m + 1)).
CQK_INLINE d8 NAME(log8)(d8 x) {
  // A subnormal number is made a normal one, which changes its exponent alone.
  l8 small = x < (d8)(0x1p-1022);
  d8 normal = small ? x * 0x1p54 : x;
  l8 bits;
  __builtin_memcpy(&bits, &normal, sizeof bits);
  d8 exponent = __builtin_convertvector((bits >> 52 & 0x7ff) - 1023 + (small & -54), d8);
  bits = (bits & 0xfffffffffffff) | 0x3ff0000000000000;
  d8 m;
  __builtin_memcpy(&m, &bits, sizeof m);
  l8 upper = m > (d8)(1.4142135623730951);
  m = upper ? m / 2.0 : m;
  exponent = upper ? exponent + 1.0 : exponent;
  d8 s = (m - 1.0) / (m + 1.0), s2 = s * s, sum = (d8)(0);
  for (int k = 25; k >= 1; k -= 2) sum = sum * s2 + 1.0 / (double)k;
  d8 rest = exponent * 0x1.abc9e3b39803fp-56;
  d8 y = __builtin_elementwise_fma(exponent, (d8)(0x1.62e42fefa39efp-1), rest) + 2.0 * s * sum;
  y = x == (d8)(__builtin_inf()) ? x : y;
  y = x == (d8)(0) ? (d8)(-__builtin_inf()) : y;
  return x >= (d8)(0) ? y : (d8)(__builtin_nan(""));
}

/// y[i] = f(x[i]), eight at a time. y may be x.
CQK_INLINE void NAME(each8)(d8 (*f)(d8), const double *x, double *y, size_t n) {
  for (size_t i = 0; i < n; i += 8) {
    d8 v = (d8)(1);
    size_t count = n - i < 8 ? n - i : 8;
    __builtin_memcpy(&v, x + i, count * sizeof *x);
    v = f(v);
    __builtin_memcpy(y + i, &v, count * sizeof *x);
  }
}

static void NAME(exp_f64)(double *x, size_t n) { NAME(each8)(NAME(exp8), x, x, n); }

static void NAME(log_f64)(const double *x, double *y, size_t n) { NAME(each8)(NAME(log8), x, y, n); }

static inline float NAME(dot)(const float *a, const float *b, size_t n) {
  v16 s = NAME(splat)(0);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) s = __builtin_elementwise_fma(NAME(load)(a + i), NAME(load)(b + i), s);
  for (size_t j = i; j < n; j++) s[j - i] = __builtin_fmaf(a[j], b[j], s[j - i]);
  return NAME(lanes)(s);
}

static void NAME(rmsnorm)(const float *x, const float *gain, float *y, float *scale, size_t rows, size_t d,
                          float epsilon) {
  for (size_t t = 0; t < rows; t++) {
    const float *xt = x + t * d;
    float *yt = y + t * d;
    float s = 1.0f / __builtin_sqrtf(NAME(dot)(xt, xt, d) / (float)d + epsilon);
    scale[t] = s;
    for (size_t c = 0; c < d; c++) yt[c] = (xt[c] * s) * gain[c];
  }
}

static void NAME(rmsnorm_back)(const float *dy, const float *x, const float *gain, const float *scale, float *dx,
                               size_t rows, size_t d) {
  for (size_t t = 0; t < rows; t++) {
    const float *xt = x + t * d, *dyt = dy + t * d;
    float *dxt = dx + t * d;
    v16 sum = NAME(splat)(0);
    size_t i = 0;
    for (; i + 16 <= d; i += 16) sum += (NAME(load)(dyt + i) * NAME(load)(gain + i)) * NAME(load)(xt + i);
    for (size_t j = i; j < d; j++) sum[j - i] += (dyt[j] * gain[j]) * xt[j];
    float s = scale[t];
    float k = NAME(lanes)(sum) / (float)d * (s * s * s);
    for (size_t c = 0; c < d; c++) dxt[c] += (dyt[c] * gain[c]) * s - xt[c] * k;
  }
}

static void NAME(rmsnorm_gain_back)(const float *dy, const float *x, const float *scale, float *dgain, size_t rows,
                                    size_t d, size_t first, size_t last) {
  for (size_t t = 0; t < rows; t++) {
    float s = scale[t];
    for (size_t c = first; c < last; c++) dgain[c] += (dy[t * d + c] * x[t * d + c]) * s;
  }
}

static void NAME(rope)(float *x, size_t rows, size_t stride, size_t heads, size_t e, size_t rotated,
                       const int32_t *positions, const float *cosines, const float *sines, float sign) {
  size_t half = rotated / 2;
  for (size_t t = 0; t < rows; t++) {
    const float *cs = cosines + (size_t)positions[t] * half, *sn = sines + (size_t)positions[t] * half;
    for (size_t h = 0; h < heads; h++) {
      float *p = x + t * stride + h * e;
      for (size_t i = 0; i < half; i++) {
        float a = p[2 * i], b = p[2 * i + 1], c = cs[i], s = sn[i] * sign;
        p[2 * i] = __builtin_fmaf(a, c, -(b * s));
        p[2 * i + 1] = __builtin_fmaf(a, s, b * c);
      }
    }
  }
}

static void NAME(swiglu)(const float *gate, const float *up, float *h, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    v16 g = NAME(load)(gate + i);
    NAME(store)(h + i, g / (1.0f + NAME(exp16)(-g)) * NAME(load)(up + i));
  }
  for (; i < n; i++) h[i] = gate[i] / (1.0f + NAME(exp1)(-gate[i])) * up[i];
}

static void NAME(swiglu_back)(const float *dh, float *gate, float *up, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    v16 g = NAME(load)(gate + i), u = NAME(load)(up + i), d = NAME(load)(dh + i);
    v16 sigmoid = 1.0f / (1.0f + NAME(exp16)(-g));
    v16 silu = g * sigmoid;
    NAME(store)(gate + i, (d * u) * (sigmoid + silu * (1.0f - sigmoid)));
    NAME(store)(up + i, d * silu);
  }
  for (; i < n; i++) {
    float g = gate[i], u = up[i], d = dh[i];
    float sigmoid = 1.0f / (1.0f + NAME(exp1)(-g));
    float silu = g * sigmoid;
    gate[i] = (d * u) * (sigmoid + silu * (1.0f - sigmoid));
    up[i] = d * silu;
  }
}

// In place: one row becomes its softmax. Gives the row's maximum and the sum of exp(x - maximum).
static void NAME(softmax_row)(float *p, size_t n, float *maximum, float *total) {
  v16 best = NAME(splat)(-__builtin_inff());
  size_t c = 0;
  for (; c + 16 <= n; c += 16) {
    v16 x = NAME(load)(p + c);
    best = x > best ? x : best;
  }
  for (size_t j = c; j < n; j++) best[j - c] = p[j] > best[j - c] ? p[j] : best[j - c];
  float m = best[0];
  for (int i = 1; i < 16; i++) m = best[i] > m ? best[i] : m;
  v16 sum = NAME(splat)(0);
  c = 0;
  for (; c + 16 <= n; c += 16) {
    v16 x = NAME(exp16)(NAME(load)(p + c) - m);
    sum += x;
    NAME(store)(p + c, x);
  }
  if (c < n) {
    v16 rest = NAME(splat)(0);
    for (size_t j = c; j < n; j++) rest[j - c] = p[j] - m;
    rest = NAME(exp16)(rest);
    for (size_t j = c; j < n; j++) {
      p[j] = rest[j - c];
      sum[j - c] += rest[j - c];
    }
  }
  *maximum = m;
  *total = NAME(lanes)(sum);
  float inverse = 1.0f / *total;
  for (c = 0; c < n; c++) p[c] *= inverse;
}

static void NAME(softmax_back)(const float *p, float *dp, size_t rows, size_t columns, size_t stride,
                               const float *delta, float scale) {
  for (size_t r = 0; r < rows; r++) {
    const float *pr = p + r * stride;
    float *dr = dp + r * stride, d = delta[r];
    for (size_t c = 0; c < columns; c++) dr[c] = pr[c] * (dr[c] - d) * scale;
  }
}

// 16 × 16 numbers: in blocks of 2d × 2d the upper right d × d and the lower left change places.
#define UPPER(l, d) ((l) & (d) ? 16 + (l) - (d) : (l))
#define LOWER(l, d) ((l) & (d) ? 16 + (l) : (l) + (d))
#define LANES(half, d)                                                                                                \
  half(0, d), half(1, d), half(2, d), half(3, d), half(4, d), half(5, d), half(6, d), half(7, d), half(8, d),        \
      half(9, d), half(10, d), half(11, d), half(12, d), half(13, d), half(14, d), half(15, d)
#define EXCHANGE(d)                                                                \
  _Pragma("clang loop unroll(full)") for (size_t i = 0; i < 16; i++) if (!(i & d)) { \
    v16 a = r[i], b = r[i + d];                                                    \
    r[i] = __builtin_shufflevector(a, b, LANES(UPPER, d));                         \
    r[i + d] = __builtin_shufflevector(a, b, LANES(LOWER, d));                     \
  }

static void NAME(transpose)(const float *in, size_t ldin, float *out, size_t ldout, size_t rows, size_t columns) {
  for (size_t r0 = 0; r0 < rows; r0 += 16)
    for (size_t c0 = 0; c0 < columns; c0 += 16) {
      if (r0 + 16 > rows || c0 + 16 > columns) {
        for (size_t c = c0; c < columns && c < c0 + 16; c++)
          for (size_t i = r0; i < rows && i < r0 + 16; i++) out[c * ldout + i] = in[i * ldin + c];
        continue;
      }
      v16 r[16];
      for (size_t i = 0; i < 16; i++) r[i] = NAME(load)(in + (r0 + i) * ldin + c0);
      EXCHANGE(1)
      EXCHANGE(2)
      EXCHANGE(4)
      EXCHANGE(8)
      for (size_t i = 0; i < 16; i++) NAME(store)(out + (c0 + i) * ldout + r0, r[i]);
    }
}

#undef EXCHANGE
#undef LANES
#undef LOWER
#undef UPPER

static void NAME(row_dots)(const float *a, size_t a_stride, const float *b, size_t b_stride, size_t rows, size_t n,
                           float *out) {
  for (size_t r = 0; r < rows; r++) out[r] = NAME(dot)(a + r * a_stride, b + r * b_stride, n);
}

static void NAME(cross_entropy)(float *logits, size_t rows, size_t v, const int32_t *targets, const float *weights,
                                float *sum, float *margin) {
  for (size_t r = 0; r < rows; r++) {
    float *p = logits + r * v;
    float target = p[targets[r]];
    float maximum;
    NAME(softmax_row)(p, v, &maximum, &sum[r]);
    margin[r] = maximum - target;
    float w = weights[r];
    for (size_t c = 0; c < v; c++) p[c] *= w;
    p[targets[r]] -= w;
  }
}

static void NAME(adamw)(float *p, const float *g, float *m, float *v, size_t n, float rate, float beta1, float beta2,
                        float epsilon, float correction1, float correction2, float decay, float gradient_scale) {
  float keep = 1.0f - rate * decay, step = rate * correction1, b1 = 1.0f - beta1, b2 = 1.0f - beta2;
  for (size_t i = 0; i < n; i++) {
    float gi = g[i] * gradient_scale;
    float mi = beta1 * m[i] + b1 * gi;
    float vi = beta2 * v[i] + b2 * (gi * gi);
    m[i] = mi;
    v[i] = vi;
    p[i] = p[i] * keep - step * mi / (__builtin_sqrtf(vi) * correction2 + epsilon);
  }
}

static void NAME(sgd)(float *p, const float *g, float *m, size_t n, float rate, float momentum, float decay,
                      float gradient_scale) {
  for (size_t i = 0; i < n; i++) {
    float mi = momentum * m[i] + (g[i] * gradient_scale + decay * p[i]);
    m[i] = mi;
    p[i] -= rate * mi;
  }
}

static double NAME(sum_of_squares)(const float *x, size_t n) {
  d8 s = (d8)(0.0);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    v8 a;
    __builtin_memcpy(&a, x + i, sizeof a);
    d8 b = __builtin_convertvector(a, d8);
    s += b * b;
  }
  for (size_t j = i; j < n; j++) s[j - i] += (double)x[j] * (double)x[j];
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static void NAME(add)(float *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void NAME(add_bias)(float *y, const float *bias, size_t rows, size_t d) {
  for (size_t t = 0; t < rows; t++)
    for (size_t c = 0; c < d; c++) y[t * d + c] += bias[c];
}

static void NAME(column_sums)(const float *x, float *sums, size_t rows, size_t d) {
  for (size_t t = 0; t < rows; t++)
    for (size_t c = 0; c < d; c++) sums[c] += x[t * d + c];
}

static void NAME(dropout)(const float *x, float *y, size_t n, float rate, uint64_t seed, uint64_t first) {
  float keep = 1.0f / (1.0f - rate);
  uint32_t bound = (uint32_t)((double)rate * 4294967296.0);
  for (size_t i = 0; i < n; i++) {
    // SplitMix64's output function on a counter.
    uint64_t z = seed + (first + i + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    y[i] = (uint32_t)(z >> 32) < bound ? 0.0f : x[i] * keep;
  }
}

// The bits of x's bf16 in the upper half.
CQK_INLINE uint32_t NAME(bf16_bits)(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  // A NaN's last digits must not carry into its exponent.
  return (bits & 0x7fffffff) > 0x7f800000u ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
}

static void NAME(round_bf16)(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (uint16_t)(NAME(bf16_bits)(x[i]) >> 16);
}

static void NAME(widen_bf16)(const uint16_t *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = (uint32_t)x[i] << 16;
    __builtin_memcpy(y + i, &bits, sizeof bits);
  }
}

static void NAME(round_in_place)(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = NAME(bf16_bits)(x[i]) & 0xffff0000u;
    __builtin_memcpy(x + i, &bits, sizeof bits);
  }
}
