// The executors of the cell host: Swift's jobs on threads of ours, so that a trap in asynchronous code parks one of
// them and nothing else. Global threads are added while jobs wait, so code that blocks can't use them up; the main
// actor has one thread at a time, and gets another when that one is parked.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"

typedef struct job_node {
  struct job_node *next;
  void *job;
  /// Whom it works for, and who began it.
  chs_work work;
  /// What to do with `job`; NULL for one of Swift's.
  void (*function)(void *);
} job_node;

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t arrived;
  job_node *first, **last;
  int waiting, idle;
  _Atomic int workers;
  int worker_limit;
  enum chs_role role;
  size_t stack_bytes;
  /// What jobs are told that they run on: nothing for the global executor.
  void *identity, *witness;
} executor;

static executor global = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .arrived = PTHREAD_COND_INITIALIZER,
    .last = &global.first,
    .worker_limit = 256,
    .role = CHS_JOBS,
    .stack_bytes = 8 << 20,
};
static executor main_actor = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .arrived = PTHREAD_COND_INITIALIZER,
    .last = &main_actor.first,
    .worker_limit = 1,
    .role = CHS_MAIN,
    .stack_bytes = 64 << 20,
};

/// Which run a task works for: a job resumed by a timer comes from a thread that knows nothing of it; and which run
/// began it. A task that's pushed out of its slot by another loses its tag, and with it only being interrupted with its
/// cell.
enum { TASK_SLOTS = 1 << 14 };
static struct {
  uint64_t task;
  chs_work work;
} tags[TASK_SLOTS];
static pthread_mutex_t tags_lock = PTHREAD_MUTEX_INITIALIZER;

typedef __attribute__((swiftcall)) void (*run_function)(void *job, void *identity, void *witness);
typedef __attribute__((swiftcall)) uint64_t (*task_id_function)(void *job);
static run_function run_job;
static task_id_function task_id;

// The runtime's layout of jobs and tasks (swift/ABI/Task.h): a job's flags, of which the lowest byte is its kind, come
// behind the object's header and two words of the scheduler; of a task, the function that goes on with it, and the
// context of that.
typedef struct {
  void *header[2], *scheduler[2];
  uint32_t flags, number;
  void *voucher, *reserved;
  void (*resume)(void);
  const struct async_context {
    const struct async_context *parent;
    void (*resume_parent)(void);
  } *context;
} task_layout;
static bool is_task(const void *job) { return (((const task_layout *)job)->flags & 0xff) == 0; }

bool chs_resumes_cell(const void *job) {
  if (!is_task(job)) return false;
  const task_layout *task = job;
  if (chs_in_cell_code((uint64_t)task->resume)) return true;
  int depth = 0;
  for (const struct async_context *c = task->context; c && depth < 1000; c = c->parent, depth++)
    if (chs_in_cell_code((uint64_t)c->resume_parent)) return true;
  return false;
}

/// A thread of the main actor without a job looks after the main run loop.
static void wait_for_job(executor *e) {
  int pause = -1;
  if (e->role == CHS_MAIN) {
    pthread_mutex_unlock(&e->lock);
    pause = chs_serve_run_loop();
    pthread_mutex_lock(&e->lock);
    if (e->first) return;
  }
  e->idle++;
  if (pause < 0) {
    pthread_cond_wait(&e->arrived, &e->lock);
  } else {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += pause * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&e->arrived, &e->lock, &until);
  }
  e->idle--;
}

static void work(void *context) {
  executor *e = context;
  pthread_mutex_lock(&e->lock);
  for (;;) {
    while (!e->first) wait_for_job(e);
    job_node *node = e->first;
    e->first = node->next;
    if (!e->first) e->last = &e->first;
    e->waiting--;
    pthread_mutex_unlock(&e->lock);
    job_node todo = *node;
    free(node);
    chs_work nothing = chs_begin_work(todo.work.run, todo.work.owner);
    if (e->role == CHS_MAIN) chs_take_turn();
    if (todo.function) todo.function(todo.job);
    else if (!chs_is_stopped(todo.work.owner) || !chs_resumes_cell(todo.job)) run_job(todo.job, e->identity, e->witness);
    if (e->role == CHS_MAIN) chs_give_turn();
    chs_end_work(nothing);
    pthread_mutex_lock(&e->lock);
  }
}

/// Adds a worker when jobs wait and none is free.
static void refill(executor *e) {
  pthread_mutex_lock(&e->lock);
  bool more = e->waiting > e->idle && atomic_load(&e->workers) < e->worker_limit;
  if (more) atomic_fetch_add(&e->workers, 1);
  pthread_mutex_unlock(&e->lock);
  if (more && !chs_start(e->role, 0, e->stack_bytes, work, e)) atomic_fetch_sub(&e->workers, 1);
}

/// The run that a job works for: of a task, the one that it was first seen with; of other jobs, the one that enqueues it.
static chs_work work_of(void *job) {
  chs_work work = {chs_current_run(), chs_current_owner()};
  uint64_t id = task_id ? task_id(job) : 0;
  pthread_mutex_lock(&tags_lock);
  if (tags[id % TASK_SLOTS].task == id) {
    // A task that another cell's work wakes goes on for its own.
    if (is_task(job)) work = tags[id % TASK_SLOTS].work;
    else if (!work.run) work.run = tags[id % TASK_SLOTS].work.run;
  }
  if (work.run) {
    tags[id % TASK_SLOTS].task = id;
    tags[id % TASK_SLOTS].work = work;
  }
  pthread_mutex_unlock(&tags_lock);
  return work;
}

static void add(executor *e, void *job, void (*function)(void *)) {
  job_node *node = malloc(sizeof *node);
  if (!node) abort();
  chs_work own = {chs_current_run(), chs_current_owner()};
  *node = (job_node){NULL, job, function ? own : work_of(job), function};
  pthread_mutex_lock(&e->lock);
  *e->last = node;
  e->last = &node->next;
  e->waiting++;
  pthread_cond_signal(&e->arrived);
  pthread_mutex_unlock(&e->lock);
  refill(e);
}

void chs_worker_parked(enum chs_role role) {
  if (role == CHS_JOBS) atomic_fetch_sub(&global.workers, 1);
  if (role == CHS_MAIN) atomic_fetch_sub(&main_actor.workers, 1);
}

void chs_replace_parked_workers(void) {
  refill(&global);
  refill(&main_actor);
}

static __attribute__((swiftcall)) void enqueue(void *job, void *original) {
  (void)original;
  add(&global, job, NULL);
}

bool chs_hook_global_executor(void) {
  typedef __attribute__((swiftcall)) void (*hook)(void *, void *);
  hook *slot = dlsym(RTLD_DEFAULT, "swift_task_enqueueGlobal_hook");
  run_job = (run_function)dlsym(RTLD_DEFAULT, "swift_job_run");
  task_id = (task_id_function)dlsym(RTLD_DEFAULT, "swift_task_getJobTaskId");
  if (!slot || !run_job) return false;
  *slot = enqueue;
  return true;
}

// The runtime's SerialExecutorRef.
typedef struct {
  void *identity, *witness;
} executor_ref;

static __attribute__((swiftcall)) executor_ref get_main(void *original) {
  (void)original;
  return (executor_ref){main_actor.identity, main_actor.witness};
}

static __attribute__((swiftcall)) bool is_main(void *identity, void *witness, void *original) {
  (void)witness, (void)original;
  return identity == main_actor.identity;
}

bool chs_hook_main_executor(void *identity, void *witness) {
  typedef __attribute__((swiftcall)) executor_ref (*get_hook)(void *);
  typedef __attribute__((swiftcall)) bool (*is_hook)(void *, void *, void *);
  get_hook *get = dlsym(RTLD_DEFAULT, "swift_task_getMainExecutor_hook");
  is_hook *is = dlsym(RTLD_DEFAULT, "swift_task_isMainExecutor_hook");
  if (!get || !is) return false;
  main_actor.identity = identity;
  main_actor.witness = witness;
  *get = get_main;
  *is = is_main;
  return true;
}

void chs_wake_main_actor(void) {
  pthread_mutex_lock(&main_actor.lock);
  bool is_there = atomic_load(&main_actor.workers) > 0;
  if (!is_there) atomic_fetch_add(&main_actor.workers, 1);
  pthread_cond_signal(&main_actor.arrived);
  pthread_mutex_unlock(&main_actor.lock);
  if (!is_there && !chs_start(CHS_MAIN, 0, main_actor.stack_bytes, work, &main_actor))
    atomic_fetch_sub(&main_actor.workers, 1);
}

void chs_enqueue_main(void *job) { add(&main_actor, job, NULL); }
void chs_enqueue_main_function(void (*function)(void *), void *context) { add(&main_actor, context, function); }
