// Threads whose death is only their own: each has a signal stack, a run that it works for, and a report.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

/// Takes over the calling thread, so that a trap on it is reported like any other.
chs_thread *chs_adopt(enum chs_role role) {
  chs_thread *t = new_thread(role);
  if (!t) return NULL;
  t->id = pthread_self();
  atomic_store(&t->alive, true);
  pthread_attr_t attributes;
  if (pthread_getattr_np(t->id, &attributes) == 0) {
    void *low;
    pthread_attr_getstack(&attributes, &low, &t->stack_bytes);
    t->stack_low = low;
    pthread_attr_destroy(&attributes);
  }
  use_signal_stack(t);
  chs_self = t;
  publish(t);
  return t;
}

/// Threads that ended normally, kept because a signal handler may still look at their entry.
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static chs_thread *spare[64];
static int spare_count;

static void *thread_main(void *argument) {
  chs_thread *t = argument;
  chs_self = t;
  use_signal_stack(t);
  // Whoever started us may have signals blocked, as threads of dispatch have.
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void *low;
    pthread_attr_getstack(&attributes, &low, &t->stack_bytes);
    t->stack_low = low;
    pthread_attr_destroy(&attributes);
  }
  t->body(t->context);
  chs_flush_runtime_message();
  atomic_store(&t->run, 0);
  atomic_store(&t->interrupt, 0);
  // From here a signal finds no thread of ours, and the handler returns at once.
  chs_self = NULL;
  stack_t off = {.ss_flags = SS_DISABLE};
  sigaltstack(&off, NULL);
  pthread_mutex_lock(&spare_lock);
  atomic_store(&t->alive, false);
  if (spare_count < 64) spare[spare_count++] = t;
  pthread_mutex_unlock(&spare_lock);
  return NULL;
}

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
  t->report.message_length = 0;
  atomic_store(&t->mark, 0);
  atomic_store(&t->interrupt, 0);
  atomic_store(&t->critical, 0);
  atomic_store(&t->run, run);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_attr_setguardsize(&attributes, 1 << 20);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The handle must be whole before the thread can be seen; the lock keeps it from ending in between.
  pthread_mutex_lock(&spare_lock);
  int failure = pthread_create(&t->id, &attributes, thread_main, t);
  if (failure == 0) {
    atomic_store(&t->alive, true);
    if (fresh) publish(t);
  } else if (!fresh || spare_count < 64) {
    if (spare_count < 64) spare[spare_count++] = t;
    if (fresh) publish(t);
  }
  pthread_mutex_unlock(&spare_lock);
  pthread_attr_destroy(&attributes);
  if (failure == 0) return t;
  errno = failure;
  return NULL;
}

uint64_t chs_current_run(void) { return chs_self ? atomic_load(&chs_self->run) : 0; }

void chs_set_current_run(uint64_t run) {
  if (chs_self) {
    atomic_store(&chs_self->interrupt, 0);
    atomic_store(&chs_self->run, run);
  }
}

void chs_enter_critical(void) {
  if (chs_self) atomic_fetch_add(&chs_self->critical, 1);
}
void chs_leave_critical(void) {
  if (chs_self) atomic_fetch_sub(&chs_self->critical, 1);
}

void chs_mark(int step) {
  if (chs_self) atomic_store(&chs_self->mark, step);
}

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

static int signal_number(void) { return SIGRTMIN + 7; }

int chs_interrupt(uint64_t run, bool force) {
  int count = 0;
  // The lock keeps a thread from ending between the look and the signal.
  pthread_mutex_lock(&spare_lock);
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next) {
    if (!atomic_load(&t->alive) || atomic_load(&t->parked) || atomic_load(&t->run) != run) continue;
    atomic_store(&t->interrupt, force ? 2 : 1);
    if (pthread_kill(t->id, signal_number()) == 0) count++;
  }
  pthread_mutex_unlock(&spare_lock);
  return count;
}

bool chs_is_running(uint64_t run) {
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (atomic_load(&t->alive) && !atomic_load(&t->parked) && atomic_load(&t->run) == run) return true;
  return false;
}

void chs_clear_interrupt(uint64_t run) {
  for (chs_thread *t = atomic_load(&all_threads); t; t = t->next)
    if (atomic_load(&t->run) == run) atomic_store(&t->interrupt, 0);
}

int chs_process_descriptor(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

void chs_release_stack(const chs_report *report) {
  const chs_thread *t = (const chs_thread *)((const char *)report - offsetof(chs_thread, report));
  // The C library keeps the thread's own data at the top.
  const size_t kept = 256 << 10;
  if (!t->stack_low || t->stack_bytes <= 2 * kept) return;
  madvise(t->stack_low, t->stack_bytes - kept, MADV_DONTNEED);
}

int chs_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

void chs_die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

int chs_move_descriptor(int fd) {
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, 800);
  if (moved < 0) moved = fcntl(fd, F_DUPFD_CLOEXEC, 60);
  if (moved >= 0) close(fd);
  return moved;
}
