// What llama.cpp takes for last-token states behind a shared prefix: the prefix is decoded once, its cells are shared by
// all sequences (unified cache), the queries go through in batches of 512 tokens. llama.cpp keeps no states of inner
// layers: it computes the logits of each query's last token, less than is asked. One warm-up round; prints one line of JSON.
//
//   peer_llama MODEL THREADS QUERIES PREFIX QUERY
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "llama.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void quiet(enum ggml_log_level level, const char *text, void *data) { (void)level, (void)text, (void)data; }

static uint64_t state = 1;
static llama_token token(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (llama_token)(3 + (state >> 33) % 31000);
}

static void add(struct llama_batch *batch, llama_pos position, llama_seq_id sequence, int is_wanted) {
  int i = batch->n_tokens++;
  batch->token[i] = token();
  batch->pos[i] = position;
  batch->n_seq_id[i] = 1;
  batch->seq_id[i][0] = sequence;
  batch->logits[i] = (int8_t)is_wanted;
}

static void decode(struct llama_context *context, struct llama_batch *batch) {
  if (batch->n_tokens > 0 && llama_decode(context, *batch) != 0) {
    fprintf(stderr, "llama_decode failed\n");
    exit(1);
  }
  batch->n_tokens = 0;
}

static double round_of(struct llama_context *context, struct llama_batch *batch, int queries, int prefix, int query) {
  llama_memory_t memory = llama_get_memory(context);
  llama_memory_clear(memory, true);
  double start = now();
  for (int i = 0; i < prefix; i++) add(batch, i, 0, 0);
  decode(context, batch);
  for (int s = 1; s <= queries; s++) llama_memory_seq_cp(memory, 0, s, -1, -1);
  for (int s = 1; s <= queries; s++) {
    if (batch->n_tokens + query > 512) decode(context, batch);
    for (int i = 0; i < query; i++) add(batch, prefix + i, s, i == query - 1);
  }
  decode(context, batch);
  llama_synchronize(context);
  return now() - start;
}

int main(int count, char **arguments) {
  if (count != 6) {
    fprintf(stderr, "usage: peer_llama MODEL THREADS QUERIES PREFIX QUERY\n");
    return 1;
  }
  int threads = atoi(arguments[2]), queries = atoi(arguments[3]), prefix = atoi(arguments[4]), query = atoi(arguments[5]);
  llama_log_set(quiet, NULL);
  llama_backend_init();
  struct llama_model *model = llama_model_load_from_file(arguments[1], llama_model_default_params());
  if (!model) return 1;
  struct llama_context_params p = llama_context_default_params();
  p.n_ctx = (uint32_t)(prefix + queries * query + 256);
  p.n_batch = p.n_ubatch = 512;
  p.n_seq_max = (uint32_t)queries + 1;
  p.n_threads = p.n_threads_batch = threads;
  p.kv_unified = true;
  struct llama_context *context = llama_init_from_model(model, p);
  if (!context) return 1;
  struct llama_batch batch = llama_batch_init(512, 0, 1);
  round_of(context, &batch, queries, prefix, query);
  double seconds = round_of(context, &batch, queries, prefix, query);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"seconds\":%.4f,\"peakResidentBytes\":%ld}\n", seconds, usage.ru_maxrss * 1024);
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);
}
