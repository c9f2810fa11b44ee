// The kernels with 256-bit registers.
#include "internal.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma,f16c")))
#include "avx2_body.h"
CQK_TABLE(avx2);
#endif
