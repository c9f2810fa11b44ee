// Which kernels this machine can run.
#include "internal.h"

const cqk_kernels *cqk_kernels_for(cqk_isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  switch (isa) {
    case CQK_REFERENCE:
      return &cqk_reference_kernels;
#if defined(__x86_64__)
    case CQK_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")
                 ? &cqk_avx2_kernels
                 : NULL;
    case CQK_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                 ? &cqk_avx512_kernels
                 : NULL;
    case CQK_AVX2_VNNI:
      return cqk_kernels_for(CQK_AVX2) && __builtin_cpu_supports("avxvnni") ? &cqk_avx2vnni_kernels : NULL;
    case CQK_AVX512_VNNI:
      return cqk_kernels_for(CQK_AVX512) && __builtin_cpu_supports("avx512vnni") ? &cqk_avx512vnni_kernels : NULL;
    case CQK_AVX512_BF16:
      return cqk_kernels_for(CQK_AVX512) && cqk_bf16_usable() ? &cqk_avx512bf16_kernels : NULL;
#if defined(__linux__)
    case CQK_AMX:
      return cqk_kernels_for(CQK_AVX512) && cqk_amx_usable() ? &cqk_amx_kernels : NULL;
#endif
#endif
    default:
      return NULL;
  }
}
