// What the kernel files share with one another and no one else.
#pragma once
#include "CQuantKernels.h"

extern const cqk_kernels cqk_reference_kernels;
extern const cqk_kernels cqk_avx2_kernels;
extern const cqk_kernels cqk_avx512_kernels;

#define CQK_INLINE static inline __attribute__((always_inline))
static inline size_t cqk_min(size_t a, size_t b) { return a < b ? a : b; }
