// The main actor, of which one thing at a time has the turn: the top-level code of the main shell's cell, a job of the
// main actor or of the main queue, or the main run loop's timers. In a program all of these share the first thread; here
// a cell has a thread of its own, and jobs another, so that a trap ends no more than one of them.
//
// Who waits gives up the turn: at an `await`, in the run loop, in `dispatchMain()`. Whoever wants it next takes it also
// from a thread that sleeps elsewhere (on a semaphore that a job is to signal, most likely), from one that was parked, and
// from one that went on for a second: what jobs and cells could do beside one another before, they still can.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static _Atomic(chs_thread *) holder;
/// The thread that waits inside the main run loop.
static _Atomic(chs_thread *) in_loop;
/// Foundation's main run loop was asked for on the main actor.
static _Atomic bool uses_loop;

bool chs_is_on_main_actor(void) {
  const chs_thread *t = chs_self;
  return t && (t->role == CHS_MAIN || atomic_load(&t->on_main_actor));
}

// MARK: The turn

/// Whether a thread sleeps in the kernel at this moment.
static bool sleeps(const chs_thread *t) {
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)t->tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t count = read(fd, text, sizeof text - 1);
  close(fd);
  if (count <= 0) return false;
  text[count] = 0;
  const char *end = strrchr(text, ')');
  return end && end[1] == ' ' && end[2] == 'S';
}

static void pause_for(long microseconds) {
  struct timespec t = {0, microseconds * 1000};
  nanosleep(&t, NULL);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void chs_take_turn(void) {
  chs_thread *self = chs_self;
  if (!self) return;
  enum { LOOKS = 4 };
  const double patience = 1;
  double began = 0;
  int asleep = 0;
  for (int round = 0;; round++) {
    chs_thread *other = NULL;
    if (atomic_compare_exchange_strong(&holder, &other, self) || other == self) return;
    if (began == 0) began = seconds();
    asleep = round > 8 && sleeps(other) ? asleep + 1 : 0;
    bool is_free = atomic_load(&other->parked) || !atomic_load(&other->alive) || asleep >= LOOKS;
    if (is_free || seconds() - began > patience) {
      if (atomic_compare_exchange_strong(&holder, &other, self)) return;
    }
    pause_for(round < 8 ? 50 : 1000);
  }
}

void chs_give_turn(void) {
  chs_thread *self = chs_self;
  atomic_compare_exchange_strong(&holder, &self, NULL);
}

void chs_enter_main_actor(void) {
  if (!chs_self) return;
  atomic_store(&chs_self->on_main_actor, true);
  chs_take_turn();
}

void chs_leave_main_actor(void) {
  if (!chs_self) return;
  atomic_store(&chs_self->on_main_actor, false);
  chs_give_turn();
  if (atomic_load(&uses_loop)) chs_wake_main_actor();
}

void chs_begin_waiting(void) {
  if (!chs_is_on_main_actor()) return;
  chs_give_turn();
  if (atomic_load(&uses_loop)) chs_wake_main_actor();
}
void chs_end_waiting(void) {
  if (chs_is_on_main_actor()) chs_take_turn();
}

// MARK: The main run loop, whose thread is the main actor's

typedef void *loop;
static loop (*main_loop)(void);
static int32_t (*run_loop)(const void *, double, bool);
static double (*next_timer)(loop, const void *), (*now)(void);
static const void *const *default_mode;

static bool find_loop(void) {
  if (default_mode) return true;
  main_loop = (loop(*)(void))dlsym(RTLD_DEFAULT, "CFRunLoopGetMain");
  run_loop = (int32_t(*)(const void *, double, bool))dlsym(RTLD_DEFAULT, "CFRunLoopRunInMode");
  next_timer = (double (*)(loop, const void *))dlsym(RTLD_DEFAULT, "CFRunLoopGetNextTimerFireDate");
  now = (double (*)(void))dlsym(RTLD_DEFAULT, "CFAbsoluteTimeGetCurrent");
  if (main_loop && run_loop && next_timer && now) default_mode = dlsym(RTLD_DEFAULT, "kCFRunLoopDefaultMode");
  return default_mode != NULL;
}

/// Where Foundation looks for what belongs to the calling thread, its run loop among it.
void *_CFGetTSD(uint32_t key) {
  enum { RUN_LOOP = 10 };
  static void *(*original)(uint32_t);
  static __thread bool looks;
  if (!original) original = (void *(*)(uint32_t))dlsym(RTLD_NEXT, "_CFGetTSD");
  if (key != RUN_LOOP || looks || !chs_is_on_main_actor() || !find_loop()) return original(key);
  atomic_store(&uses_loop, true);
  looks = true;
  loop found = main_loop();
  looks = false;
  return found;
}

bool _CFIsMainThread(void) {
  if (!atomic_load(&chs_installed)) return syscall(SYS_gettid) == getpid();
  return chs_is_on_main_actor();
}

// The run loop of a program's first thread waits for the main queue as well, by this descriptor. Here the main actor's
// own thread serves that queue, so there is never anything to read. The first name is for
// handles, which are one more.
static int no_events(void) {
  static _Atomic int made = -1;
  int fd = atomic_load(&made);
  if (fd >= 0) return fd;
  fd = chs_move_descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int none = -1;
  if (fd < 0 || atomic_compare_exchange_strong(&made, &none, fd)) return fd;
  close(fd);
  return none;
}
uint64_t _dispatch_get_main_queue_handle_4CF(void) { return (uint64_t)no_events() + 1; }
int _dispatch_get_main_queue_port_4CF(void) { return no_events(); }

/// The run loop waits here; so does dispatch, on threads that aren't the main actor's.
int epoll_wait(int fd, struct epoll_event *events, int count, int timeout) {
  static int (*original)(int, struct epoll_event *, int, int);
  if (!original) original = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
  if (timeout == 0 || !chs_is_on_main_actor()) return original(fd, events, count, timeout);
  chs_thread *before = atomic_exchange(&in_loop, chs_self);
  chs_begin_waiting();
  int ready = original(fd, events, count, timeout);
  int failure = errno;
  chs_end_waiting();
  atomic_store(&in_loop, before);
  errno = failure;
  return ready;
}

int chs_serve_run_loop(void) {
  const int longest = 250;
  if (!atomic_load(&uses_loop) || !find_loop()) return -1;
  // One thread at a time is in the loop.
  chs_thread *inside = atomic_load(&in_loop), *nobody = NULL;
  if (inside && inside != chs_self && atomic_load(&inside->alive) && !atomic_load(&inside->parked)) return longest;
  if (!atomic_compare_exchange_strong(&holder, &nobody, chs_self)) return longest;
  run_loop(*default_mode, 0, false);
  double next = next_timer(main_loop(), *default_mode);
  chs_give_turn();
  double pause = next > 0 ? (next - now()) * 1000 : longest;
  return pause < 1 ? 1 : pause > longest ? longest : (int)pause + 1;
}
