// What this machine can do at most: multiply-adds in int8, bf16 and F32, and bytes read from memory, on one thread or
// on several at once. Compile and run:
//   clang -O2 -march=native -pthread Benchmarks/engine/roofline.c -o /tmp/roofline && /tmp/roofline 2
// Prints one line of JSON: operations (a multiply-add is two) and bytes per second, over all threads together.
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { rounds = 20000, repeats = 25 };
static const size_t memory = (size_t)768 << 20;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define KEEP(x) __asm__ volatile("" : : "x"(x))

static double f32(void) {
#ifdef __AVX512F__
  __m512 acc[12], x = _mm512_set1_ps(0.999f);
  for (int j = 0; j < 12; j++) acc[j] = _mm512_set1_ps((float)j);
  for (int i = 0; i < rounds; i++)
    for (int j = 0; j < 12; j++) acc[j] = _mm512_fmadd_ps(acc[j], x, x);
  for (int j = 0; j < 12; j++) KEEP(acc[j]);
  return 12.0 * rounds * 16 * 2;
#else
  __m256 acc[12], x = _mm256_set1_ps(0.999f);
  for (int j = 0; j < 12; j++) acc[j] = _mm256_set1_ps((float)j);
  for (int i = 0; i < rounds; i++)
    for (int j = 0; j < 12; j++) acc[j] = _mm256_fmadd_ps(acc[j], x, x);
  for (int j = 0; j < 12; j++) KEEP(acc[j]);
  return 12.0 * rounds * 8 * 2;
#endif
}

static double int8_vector(void) {
#if defined(__AVX512VNNI__)
  __m512i acc[12], x = _mm512_set1_epi8(3);
  for (int j = 0; j < 12; j++) acc[j] = _mm512_set1_epi32(j);
  for (int i = 0; i < rounds; i++)
    for (int j = 0; j < 12; j++) {
      acc[j] = _mm512_dpbusd_epi32(acc[j], x, x);
      KEEP(acc[j]);
    }
  return 12.0 * rounds * 64 * 2;
#else
  __m256i acc[12], x = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
  for (int j = 0; j < 12; j++) acc[j] = _mm256_set1_epi32(j);
  for (int i = 0; i < rounds; i++)
    for (int j = 0; j < 12; j++) {
      acc[j] = _mm256_add_epi32(acc[j], _mm256_madd_epi16(_mm256_maddubs_epi16(x, x), ones));
      KEEP(acc[j]);
    }
  return 12.0 * rounds * 32 * 2;
#endif
}

#if defined(__AVX512BF16__)
static double bf16_vector(void) {
  __m512 acc[12];
  __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f7f3f7f);
  for (int j = 0; j < 12; j++) acc[j] = _mm512_set1_ps((float)j);
  for (int i = 0; i < rounds; i++)
    for (int j = 0; j < 12; j++) {
      acc[j] = _mm512_dpbf16_ps(acc[j], x, x);
      KEEP(acc[j]);
    }
  return 12.0 * rounds * 32 * 2;
}
#endif

#if defined(__AMX_INT8__) && defined(__AMX_BF16__)
static _Thread_local uint8_t tiles[8192] __attribute__((aligned(64)));

static void shape_tiles(void) {
  struct __attribute__((packed)) {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shapes = {.palette = 1};
  for (int i = 0; i < 8; i++) {
    shapes.rows[i] = 16;
    shapes.row_bytes[i] = 64;
  }
  _tile_loadconfig(&shapes);
  // Ordinary numbers: zeros need less power and run faster than any real product.
  for (int i = 0; i < 4096; i++) ((uint16_t *)tiles)[i] = (uint16_t)(0x3f00 | (i * 2654435761u >> 20 & 0xff));
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
#define FOUR_TILES(operation)              \
  shape_tiles();                           \
  for (int i = 0; i < rounds; i++) {       \
    _tile_loadd(4, tiles, 64);             \
    _tile_loadd(5, tiles + 1024, 64);      \
    _tile_loadd(6, tiles + 2048, 64);      \
    _tile_loadd(7, tiles + 3072, 64);      \
    operation(0, 4, 6);                    \
    operation(1, 4, 7);                    \
    operation(2, 5, 6);                    \
    operation(3, 5, 7);                    \
  }                                        \
  _tile_release();
static double int8_tile(void) {
  FOUR_TILES(_tile_dpbusd)
  return 4.0 * rounds * 16 * 16 * 64 * 2;
}
static double bf16_tile(void) {
  FOUR_TILES(_tile_dpbf16ps)
  return 4.0 * rounds * 16 * 16 * 32 * 2;
}
static int has_tiles(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }
#else
static double int8_tile(void) { return 0; }
static double bf16_tile(void) { return 0; }
static int has_tiles(void) { return 0; }
#endif

static _Thread_local uint8_t *block;

static double reading(void) {
  if (!block) {
    uint8_t *start = mmap(NULL, memory + (4u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return 0;
    block = (uint8_t *)(((uintptr_t)start + (2u << 20) - 1) & ~(uintptr_t)((2u << 20) - 1));
    madvise(block, memory, MADV_HUGEPAGE);
    memset(block, 1, memory);
  }
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < memory; i += 128) {
    _mm_prefetch((const char *)block + i + 4096, _MM_HINT_T1);
    _mm_prefetch((const char *)block + i + 4160, _MM_HINT_T1);
    for (size_t j = 0; j < 128; j += 32)
      sum = _mm256_xor_si256(sum, _mm256_load_si256((const __m256i *)(block + i + j)));
    KEEP(sum);
  }
  return (double)memory;
}

typedef struct {
  double (*probe)(void);
  pthread_barrier_t *gate;
  double best;
} job;

static void *work(void *argument) {
  job *j = argument;
  for (int r = 0; r < repeats; r++) {
    pthread_barrier_wait(j->gate);
    double start = now(), done = j->probe(), rate = done / (now() - start);
    if (rate > j->best) j->best = rate;
  }
  return NULL;
}

// The best rate of each thread while all run, added up.
static double all(double (*probe)(void), int threads) {
  pthread_barrier_t gate;
  pthread_barrier_init(&gate, NULL, (unsigned)threads);
  pthread_t ids[64];
  job jobs[64];
  double sum = 0;
  for (int i = 0; i < threads; i++) {
    jobs[i] = (job){probe, &gate, 0};
    pthread_create(&ids[i], NULL, work, &jobs[i]);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    sum += jobs[i].best;
  }
  return sum;
}

int main(int count, char **arguments) {
  int threads = count > 1 ? atoi(arguments[1]) : 1;
  if (threads < 1 || threads > 64) {
    fprintf(stderr, "usage: roofline THREADS (1 to 64)\n");
    return 1;
  }
  int tiles_usable = has_tiles();
  printf("{\"threads\":%d,\"f32\":%.4g,\"int8Vector\":%.4g", threads, all(f32, threads), all(int8_vector, threads));
#if defined(__AVX512BF16__)
  printf(",\"bf16Vector\":%.4g", all(bf16_vector, threads));
#endif
  if (tiles_usable) printf(",\"int8Tile\":%.4g,\"bf16Tile\":%.4g", all(int8_tile, threads), all(bf16_tile, threads));
  printf(",\"readBytes\":%.4g}\n", all(reading, threads));
}
