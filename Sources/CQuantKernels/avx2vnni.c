// The kernels with 256-bit registers and VNNI.
#include "internal.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define CQK_VNNI _mm256_dpbusd_avx_epi32
#include "avx2_body.h"
CQK_TABLE(avx2vnni);
#endif
