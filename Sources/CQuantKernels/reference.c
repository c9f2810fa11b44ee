#include "CQuantKernels.h"
float cqk_dot_f32(const float *x, const float *y, size_t n) {
  float s = 0;
  for (size_t i = 0; i < n; i++) s += x[i] * y[i];
  return s;
}
