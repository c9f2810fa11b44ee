// The kernels with 512-bit registers and VNNI.
#include "internal.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,avx2,f16c")))
#define CQK_VNNI _mm512_dpbusd_epi32
#include "avx512_body.h"
CQK_TABLE(avx512vnni);
#endif
