// The bf16 products of several builds of the kernels, in turns of some milliseconds: on a machine whose speed changes by
// half within minutes, only what was measured right beside one another can be compared. Called by kernel_turns.py.
//
//   kernel_turns REPETITIONS TYPE TOKENS LIBRARY…
//
// One thread, the matrices of the 1.1B shape, random weights of 22 layers, so that caches see what they see in use. For
// each library and matrix: GFLOPS (upper quartile, median) and the median of its ratios to the first library.
#include "CQuantKernels.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { layers = 22, matrices = 4, most_libraries = 8, most_repetitions = 1000, rows = 128, columns = 256 };
static const struct {
  size_t n, k;
} shape[matrices] = {{2560, 2048}, {2048, 2048}, {11264, 2048}, {2048, 5632}};
static double seconds[2][matrices][most_libraries][most_repetitions];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t state = 1;
static uint64_t next_random(void) { return state = state * 6364136223846793005u + 1442695040888963407u; }

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void *room(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 4095) / 4096 * 4096);
  if (!p) exit(1);
  return memset(p, 0, bytes);
}

// Numbers of either sign from 2⁻⁷ to 2⁸.
static uint16_t *random_inputs(size_t count) {
  uint16_t *x = room(count * 2);
  for (size_t i = 0; i < count; i++) {
    uint64_t r = next_random();
    x[i] = (uint16_t)((r >> 63 << 15) | (120 + (r >> 40 & 15)) << 7 | (r >> 50 & 127));
  }
  return x;
}

int main(int count, char **arguments) {
  if (count < 5 || count > 4 + most_libraries) return 2;
  size_t asked = (size_t)atoi(arguments[1]), repetitions = asked < most_repetitions ? asked : most_repetitions;
  size_t t = (size_t)atoi(arguments[3]);
  cqk_type type = (cqk_type)atoi(arguments[2]);
  size_t libraries = (size_t)count - 4;
  const cqk_kernels *table[most_libraries];
  for (size_t i = 0; i < libraries; i++) {
    void *library = dlopen(arguments[4 + i], RTLD_NOW | RTLD_LOCAL);
    const cqk_kernels *(*kernels)(cqk_isa) = library ? dlsym(library, "cqk_kernels_for") : NULL;
    table[i] = kernels ? kernels(CQK_AVX512_BF16) : NULL;
    if (!table[i]) {
      fprintf(stderr, "%s: %s\n", arguments[4 + i], kernels ? "this processor has no AVX512-BF16" : dlerror());
      return 1;
    }
  }

  size_t start[layers][matrices], total = 0;
  for (size_t l = 0; l < layers; l++)
    for (size_t s = 0; s < matrices; s++) {
      start[l][s] = total;
      total += shape[s].n * cqk_row_bytes(type, shape[s].k);
    }
  uint8_t *weights = room(total);
  size_t block = cqk_block_bytes(type);
  // Scales stand in a block's first two bytes (Q4_0, Q8_0): a small number.
  for (size_t i = 0; i < total; i++) weights[i] = i % block < 2 ? 0x10 : (uint8_t)(next_random() >> 56);
  uint16_t *x = random_inputs(cqk_packed_bf16_count(t, 5632)), *y = random_inputs(cqk_row_packed_bf16_count(t, 11264));
  float *result = room(t * 11264 * sizeof(float));
  void *scratch = room(4 << 20);

  size_t layer = 0;
  for (size_t r = 0; r < repetitions; r++)
    for (int back = 0; back < 2; back++)
      for (size_t s = 0; s < matrices; s++)
        for (size_t i = 0; i < libraries; i++) {
          size_t library = (i + r) % libraries, n = shape[s].n, k = shape[s].k, bytes = cqk_row_bytes(type, k);
          const uint8_t *w = weights + start[layer = (layer + 1) % layers][s];
          double begin = now();
          if (back)
            for (size_t k0 = 0; k0 < 2 * columns; k0 += columns)
              table[library]->gemm_nn_bf16(y, type, w, bytes, result + k0, k, t, n, k0, columns, 0, scratch);
          else
            for (size_t n0 = 0; n0 < 16 * rows; n0 += rows)
              table[library]->gemm_bf16(x, type, w + n0 * bytes, bytes, result + n0, n, t, rows, k, 0, scratch);
          seconds[back][s][library][r] = now() - begin;
        }

  for (int back = 0; back < 2; back++)
    for (size_t i = 0; i < libraries; i++) {
      printf("%s %-24s", back ? "y · W " : "x · Wᵀ", arguments[4 + i]);
      for (size_t s = 0; s < matrices; s++) {
        double work = 2e-9 * (double)t * (back ? (double)shape[s].n * 2 * columns : 16.0 * rows * (double)shape[s].k);
        double sorted[most_repetitions], ratio[most_repetitions];
        for (size_t r = 0; r < repetitions; r++) {
          sorted[r] = seconds[back][s][i][r];
          ratio[r] = seconds[back][s][0][r] / sorted[r];
        }
        qsort(sorted, repetitions, sizeof(double), ascending);
        qsort(ratio, repetitions, sizeof(double), ascending);
        printf(
            "  %zu × %zu: %3.0f, %3.0f (%.3f)", shape[s].n, shape[s].k, work / sorted[repetitions / 4],
            work / sorted[repetitions / 2], ratio[repetitions / 2]);
      }
      printf("\n");
    }
}
