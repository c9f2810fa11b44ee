// The global executor of the cell host: Swift's jobs on threads of ours, so that a trap in asynchronous code parks
// one of them and nothing else. Threads are added while jobs wait, so code that blocks can't use them up.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

typedef struct job_node {
  struct job_node *next;
  void *job;
  uint64_t run;
} job_node;

enum { WORKER_LIMIT = 256, TASK_SLOTS = 1 << 14, WORKER_STACK = 8 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static job_node *first, **last = &first;
static int waiting, idle;
static _Atomic int workers;

/// Which run a task was made for: a job resumed by a timer comes from a thread that knows nothing of it. A task
/// that's pushed out of its slot by another loses its tag, and with it only being interrupted with its cell.
static struct {
  uint64_t task, run;
} tags[TASK_SLOTS];

typedef __attribute__((swiftcall)) void (*run_function)(void *job, void *identity, void *witness);
typedef __attribute__((swiftcall)) uint64_t (*task_id_function)(void *job);
static run_function run_job;
static task_id_function task_id;

static void work(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!first) {
      idle++;
      pthread_cond_wait(&arrived, &lock);
      idle--;
    }
    job_node *node = first;
    first = node->next;
    if (!first) last = &first;
    waiting--;
    pthread_mutex_unlock(&lock);
    chs_set_current_run(node->run);
    void *job = node->job;
    free(node);
    run_job(job, NULL, NULL);
    chs_flush_runtime_message();
    chs_set_current_run(0);
    pthread_mutex_lock(&lock);
  }
}

static __attribute__((swiftcall)) void enqueue(void *job, void *original) {
  (void)original;
  job_node *node = malloc(sizeof *node);
  if (!node) abort();
  uint64_t run = chs_current_run();
  uint64_t id = task_id ? task_id(job) : 0;
  pthread_mutex_lock(&lock);
  if (run) {
    tags[id % TASK_SLOTS].task = id;
    tags[id % TASK_SLOTS].run = run;
  } else if (tags[id % TASK_SLOTS].task == id) {
    run = tags[id % TASK_SLOTS].run;
  }
  *node = (job_node){NULL, job, run};
  *last = node;
  last = &node->next;
  waiting++;
  bool more = waiting > idle && atomic_load(&workers) < WORKER_LIMIT;
  pthread_cond_signal(&arrived);
  pthread_mutex_unlock(&lock);
  if (more) {
    atomic_fetch_add(&workers, 1);
    if (!chs_start(CHS_JOBS, 0, WORKER_STACK, work, NULL)) atomic_fetch_sub(&workers, 1);
  }
}

void chs_worker_parked(void) { atomic_fetch_sub(&workers, 1); }

bool chs_hook_global_executor(void) {
  typedef __attribute__((swiftcall)) void (*hook)(void *, void *);
  hook *slot = dlsym(RTLD_DEFAULT, "swift_task_enqueueGlobal_hook");
  run_job = (run_function)dlsym(RTLD_DEFAULT, "swift_job_run");
  task_id = (task_id_function)dlsym(RTLD_DEFAULT, "swift_task_getJobTaskId");
  if (!slot || !run_job) return false;
  *slot = enqueue;
  return true;
}
