#pragma once
#include <stddef.h>
#include <stdint.h>
float cqk_dot_f32(const float *x, const float *y, size_t n);
