// The kernels with 512-bit registers.
#include "internal.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,avx2,f16c")))
#include "avx512_body.h"
CQK_TABLE(avx512);
#endif
