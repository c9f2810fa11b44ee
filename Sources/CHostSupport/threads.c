// Threads whose death is only their own: each has a signal stack, a run that it works for, and a report.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "internal.h"

__thread chs_thread *chs_self;

static const size_t signal_stack_bytes = 64 * 1024;

/// Every thread ever made, newest first. Entries are never freed, so a signal handler may walk the list.
static _Atomic(chs_thread *) all_threads;

static chs_thread *new_thread(enum chs_role role) {
  chs_thread *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->role = role;
  t->signal_stack = mmap(NULL, signal_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (t->signal_stack == MAP_FAILED) {
    free(t);
    return NULL;
  }
  return t;
}

static void publish(chs_thread *t) {
  chs_thread *head = atomic_load(&all_threads);
  do t->next = head;
  while (!atomic_compare_exchange_weak(&all_threads, &head, t));
}

static void use_signal_stack(chs_thread *t) {
  stack_t ss = {.ss_sp = t->signal_stack, .ss_size = signal_stack_bytes};
  sigaltstack(&ss, NULL);
}

static void find_stack(chs_thread *t) {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void *low;
  pthread_attr_getstack(&attributes, &low, &t->stack_bytes);
  pthread_attr_getguardsize(&attributes, &t->guard_bytes);
  t->stack_low = low;
  pthread_attr_destroy(&attributes);
}

/// Takes over the calling thread, so that a trap on it is reported like any other.
chs_thread *chs_adopt(enum chs_role role) {
  chs_thread *t = new_thread(role);
  if (!t) return NULL;
  t->id = pthread_self();
  t->tid = (pid_t)syscall(SYS_gettid);
  atomic_store(&t->alive, true);
  find_stack(t);
  // The process's first thread has no guard of a known size below it.
  t->guard_bytes = 0;
  use_signal_stack(t);
  chs_self = t;
  publish(t);
  return t;
}

/// Threads that ended normally, kept because a signal handler may still look at their entry.
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
enum { SPARE = 512 };
static chs_thread *spare[SPARE];
static int spare_count;

/// The calling thread ends, or is ours no more.
static void leave(chs_thread *t) {
  chs_flush_runtime_message();
  atomic_store(&t->run, 0);
  atomic_store(&t->owner, 0);
  atomic_store(&t->interrupt, 0);
  // From here a signal finds no thread of ours, and the handler returns at once.
  chs_self = NULL;
  stack_t off = {.ss_flags = SS_DISABLE};
  sigaltstack(&off, NULL);
  pthread_mutex_lock(&spare_lock);
  atomic_store(&t->alive, false);
  if (spare_count < SPARE) spare[spare_count++] = t;
  pthread_mutex_unlock(&spare_lock);
}

static void *thread_main(void *argument) {
  chs_thread *t = argument;
  chs_self = t;
  t->tid = (pid_t)syscall(SYS_gettid);
  use_signal_stack(t);
  // Whoever started us may have signals blocked, as threads of dispatch have.
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  find_stack(t);
  t->body(t->context);
  leave(t);
  return NULL;
}

static void prepare(chs_thread *t, uint64_t run) {
  t->report.message_length = 0;
  t->report.stack_pointer = 0;
  atomic_store(&t->held, 0);
  atomic_store(&t->asked, false);
  t->is_reachable = false;
  t->keeps = false;
  atomic_store(&t->on_main_actor, false);
  atomic_store(&t->mark, 0);
  atomic_store(&t->interrupt, 0);
  atomic_store(&t->critical, 0);
  atomic_store(&t->overflowed, false);
  atomic_store(&t->run, run);
  atomic_store(&t->owner, run);
}

/// Set while this file starts a thread itself.
static __thread bool starting;

chs_thread *chs_start(enum chs_role role, uint64_t run, size_t stack_bytes, void (*body)(void *), void *context) {
  chs_thread *t = NULL;
  pthread_mutex_lock(&spare_lock);
  if (spare_count > 0) t = spare[--spare_count];
  pthread_mutex_unlock(&spare_lock);
  bool fresh = t == NULL;
  if (fresh) t = new_thread(role);
  if (!t) {
    errno = ENOMEM;
    return NULL;
  }
  t->role = role;
  t->body = body;
  t->context = context;
  prepare(t, run);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_attr_setguardsize(&attributes, (1 << 20) + (64 << 10));
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The handle must be whole before the thread can be seen; the lock keeps it from ending in between.
  pthread_mutex_lock(&spare_lock);
  starting = true;
  int failure = pthread_create(&t->id, &attributes, thread_main, t);
  starting = false;
  if (failure == 0) {
    atomic_store(&t->alive, true);
    if (fresh) publish(t);
  } else if (spare_count < SPARE) {
    spare[spare_count++] = t;
    if (fresh) publish(t);
  }
  pthread_mutex_unlock(&spare_lock);
  pthread_attr_destroy(&attributes);
  if (failure == 0) return t;
  errno = failure;
  return NULL;
}

// Threads that user code and libraries start: they get a signal stack, so that running out of stack stops only them,
// and the run of the thread that started them, so that what they print and break is told with the right cell. An
// interrupt of that cell stops those that a cell has started for itself: later ones leave them alone. Threads that a
// library keeps for its own use belong to no run.
typedef struct {
  void *(*start)(void *);
  void *argument;
  uint64_t run, owner;
} stranger_start;
static pthread_key_t stranger_key;
static pthread_once_t stranger_once = PTHREAD_ONCE_INIT;
static void leave_stranger(void *t) { leave(t); }
static void make_stranger_key(void) { pthread_key_create(&stranger_key, leave_stranger); }

static void *stranger_main(void *argument) {
  stranger_start started = *(stranger_start *)argument;
  free(argument);
  chs_thread *t = NULL;
  pthread_mutex_lock(&spare_lock);
  if (spare_count > 0) t = spare[--spare_count];
  pthread_mutex_unlock(&spare_lock);
  bool fresh = t == NULL;
  if (fresh) t = new_thread(CHS_UNKNOWN);
  if (t) {
    t->role = CHS_UNKNOWN;
    t->id = pthread_self();
    prepare(t, started.run);
    atomic_store(&t->owner, started.owner);
    t->tid = (pid_t)syscall(SYS_gettid);
    find_stack(t);
    // The guard of a thread that isn't ours is too small to lend from.
    t->guard_bytes = 0;
    use_signal_stack(t);
    chs_self = t;
    atomic_store(&t->alive, true);
    if (fresh) publish(t);
    pthread_setspecific(stranger_key, t);
  }
  return started.start(started.argument);
}

int pthread_create(
    pthread_t *restrict id, const pthread_attr_t *restrict attributes, void *(*start)(void *), void *restrict argument) {
  static int (*original)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!original)
    original = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
  stranger_start *started = NULL;
  if (atomic_load(&chs_installed) && !starting) {
    pthread_once(&stranger_once, make_stranger_key);
    started = malloc(sizeof *started);
  }
  if (!started) return original(id, attributes, start, argument);
  // Workers of dispatch outlive what they are started for.
  const void *caller = __builtin_return_address(0);
  bool pooled = chs_in_dispatch(caller);
  bool is_own = chs_in_cell_code((uint64_t)caller) || chs_in_foundation(caller);
  *started = (stranger_start){start, argument, pooled ? 0 : chs_current_run(), is_own ? chs_current_owner() : 0};
  int failure = original(id, attributes, stranger_main, started);
  if (failure) free(started);
  return failure;
}

uint64_t chs_current_run(void) { return chs_self ? atomic_load(&chs_self->run) : 0; }
uint64_t chs_current_owner(void) { return chs_self ? atomic_load(&chs_self->owner) : 0; }

static int signal_number(void) { return SIGRTMIN + 7; }

chs_work chs_begin_work(uint64_t run, uint64_t owner) {
  chs_thread *t = chs_self;
  if (!t) return (chs_work){0, 0};
  if (t->role == CHS_UNKNOWN && !t->is_reachable) {
    // Workers of dispatch block all signals when they start.
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, signal_number());
    pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
    t->is_reachable = true;
  }
  chs_work before = {atomic_load(&t->run), atomic_load(&t->owner)};
  atomic_store(&t->interrupt, 0);
  atomic_store(&t->run, run);
  atomic_store(&t->owner, owner);
  return before;
}
void chs_end_work(chs_work before) {
  chs_thread *t = chs_self;
  if (!t) return;
  chs_flush_runtime_message();
  // A late signal must not stop what comes next.
  if (before.owner != atomic_load(&t->owner)) atomic_store(&t->interrupt, 0);
  atomic_store(&t->run, before.run);
  atomic_store(&t->owner, before.owner);
}

void chs_enter_critical(void) {
  if (chs_self) atomic_fetch_add(&chs_self->critical, 1);
}
void chs_leave_critical(void) {
  if (chs_self) atomic_fetch_sub(&chs_self->critical, 1);
}

void chs_mark(int step) {
  if (!chs_self) return;
  atomic_store(&chs_self->mark, step);
  if (atomic_load(&chs_self->asked)) chs_park(CHS_INTERRUPTED, 0, NULL);
}

void chs_ask_to_stop(uint64_t run) {
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (t->role == CHS_CELL && atomic_load(&t->run) == run) atomic_store(&t->asked, true);
}
bool chs_is_run_asked_to_stop(void) {
  uint64_t run = chs_current_run();
  if (!run) return false;
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (t->role == CHS_CELL && atomic_load(&t->run) == run) return atomic_load(&t->asked);
  return false;
}
void chs_keep_next_value(void) {
  if (chs_self) chs_self->keeps = true;
}
bool chs_takes_value(void) {
  bool keeps = chs_self && chs_self->keeps;
  if (keeps) chs_self->keeps = false;
  return keeps;
}
bool chs_is_asked_to_stop(void) { return chs_self && atomic_load(&chs_self->asked); }

int chs_marked(uint64_t run) {
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (t->role == CHS_CELL && atomic_load(&t->run) == run) return atomic_load(&t->mark);
  return 0;
}

void chs_call_entry(const void *entry) {
  jmp_buf back;
  chs_self->entry = &back;
  char name[] = "cell";
  char *arguments[] = {name, NULL};
  if (setjmp(back) == 0) ((int (*)(int, char **))entry)(1, arguments);
  chs_self->entry = NULL;
}

void chs_leave_entry(void) {
  if (!chs_self || !chs_self->entry) chs_park(CHS_ABANDONED, 0, NULL);
  longjmp(*chs_self->entry, 1);
}

static bool works_for(const chs_thread *t, uint64_t run) {
  return t->role != CHS_SERVICE && atomic_load(&t->alive) && !atomic_load(&t->parked) && atomic_load(&t->owner) == run;
}

int chs_interrupt(uint64_t run, enum chs_force force) {
  int count = 0;
  // The lock keeps a thread from ending between the look and the signal.
  pthread_mutex_lock(&spare_lock);
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next) {
    if (!works_for(t, run)) continue;
    atomic_store(&t->interrupt, force);
    if (pthread_kill(t->id, signal_number()) == 0) count++;
  }
  pthread_mutex_unlock(&spare_lock);
  return count;
}

bool chs_is_running(uint64_t run) {
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (works_for(t, run)) return true;
  return false;
}

void chs_clear_interrupt(uint64_t run) {
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (atomic_load(&t->owner) == run) atomic_store(&t->interrupt, 0);
}

uint64_t chs_unstopped_at(uint64_t run) {
  uint64_t found = 0;
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (works_for(t, run) && (!found || t->role == CHS_CELL)) found = atomic_load(&t->unstopped_at);
  return found;
}

/// The last runs that an interrupt has ended.
enum { STOPPED = 256 };
static _Atomic uint64_t stopped[STOPPED];
static _Atomic uint64_t stopped_count;

void chs_stop_begun(uint64_t run) {
  if (!run || chs_is_stopped(run)) return;
  atomic_store(&stopped[atomic_fetch_add(&stopped_count, 1) % STOPPED], run);
}

bool chs_is_stopped(uint64_t run) {
  uint64_t count = atomic_load(&stopped_count);
  if (!run || count == 0) return false;
  for (uint64_t i = 0; i < STOPPED && i < count; i++)
    if (atomic_load(&stopped[i]) == run) return true;
  return false;
}

int chs_process_descriptor(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

void chs_release_stack(const chs_report *report) {
  const chs_thread *t = (const chs_thread *)((const char *)report - offsetof(chs_thread, report));
  if (!t->stack_low || report->main_thread) return;
  uint64_t low = (uint64_t)t->stack_low, high = low + t->stack_bytes;
  // What lies on the stack may be referred to from elsewhere, but of a recursion that ran wild only the beginning is
  // kept; the C library keeps the thread's own data at the top. The handler runs on another stack.
  const uint64_t kept = 256 << 10, below = 16 << 10, page = 4096;
  uint64_t end = report->stack_pointer > low && report->stack_pointer < high ? report->stack_pointer - below : high;
  if (report->stack_overflow || end > high - kept) end = high - kept;
  end &= ~(page - 1);
  if (end <= low || t->stack_bytes <= 2 * kept) return;
  // Without access it counts neither as memory in use nor against the limit.
  mmap((void *)low, end - low, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

bool chs_is_forked(void) { return atomic_load(&chs_forked); }
void chs_end_forked(int status) {
  fflush(NULL);
  _exit(status);
}

bool chs_limit_memory(uint64_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return false;
  limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
  return setrlimit(RLIMIT_DATA, &limit) == 0;
}

int chs_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

_Noreturn void chs_end_group(void) {
  if (getpgrp() == getpid()) kill(0, SIGKILL);
  _exit(0);
}

static void on_orphaned(int signal) {
  (void)signal;
  chs_end_group();
}
void chs_die_with_parent(void) {
  signal(SIGRTMIN + 8, on_orphaned);
  prctl(PR_SET_PDEATHSIG, SIGRTMIN + 8);
}

void chs_serve(void) {
  if (!chs_self) chs_adopt(CHS_SERVICE);
  if (chs_self) chs_self->role = CHS_SERVICE;
}
