// What the kernel files share with one another and no one else.
#pragma once
#include "CQuantKernels.h"

extern const cqk_kernels cqk_reference_kernels;
extern const cqk_kernels cqk_avx2_kernels;
extern const cqk_kernels cqk_avx2vnni_kernels;
extern const cqk_kernels cqk_avx512_kernels;
extern const cqk_kernels cqk_avx512vnni_kernels;
extern const cqk_kernels cqk_avx512bf16_kernels;
extern const cqk_kernels cqk_amx_kernels;
// Whether the processor multiplies tiles and this process may.
int cqk_amx_usable(void);
// Whether the processor adds pairs of bf16 products, and does so one after the other.
int cqk_bf16_usable(void);

#define CQK_INLINE static inline __attribute__((always_inline))
static inline size_t cqk_min(size_t a, size_t b) { return a < b ? a : b; }
