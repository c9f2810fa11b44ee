// The order of what a cell and its children print. Bytes of the two output pipes carry no time: the kernel takes them in
// the order in which they come, so before anything goes into one pipe the other has to be read empty, and before a child
// begins, all that the cell has printed is on its way.
//
// The executable comes first when the loader looks for a symbol, so the functions here are what cells and the Swift
// libraries call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/// The pipes as the kernel gave them: what a cell puts in their place is nobody's that could be waited for.
static struct {
  dev_t device;
  ino_t inode;
  /// A copy for who has closed the descriptor.
  int kept;
} pipes[2];
static _Atomic(chs_sync) sync_run;

void chs_know_output(int kept_out, int kept_err) {
  const int kept[2] = {kept_out, kept_err};
  for (int i = 0; i < 2; i++) {
    struct stat found;
    if (kept[i] < 0 || fstat(kept[i], &found) != 0 || !S_ISFIFO(found.st_mode)) continue;
    pipes[i].device = found.st_dev;
    pipes[i].inode = found.st_ino;
    pipes[i].kept = kept[i];
  }
}

void chs_set_sync(chs_sync function) { atomic_store(&sync_run, function); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/// Two streams that are written to in turns without end would do nothing but wait, and fill the page with messages: so
/// many changes within this time keep their order, as the kernel's link has it (`HostLink`), and no more.
enum { CHANGES = 16 };
static const double window = 0.025, patience = 0.1;
static _Atomic double window_start;
static _Atomic int changes;

static bool may_wait(double at) {
  if (at - atomic_load(&window_start) > window) {
    atomic_store(&window_start, at);
    atomic_store(&changes, 0);
  }
  return atomic_fetch_add(&changes, 1) < CHANGES;
}

/// Waits until the kernel has read what lies in a pipe.
static void drain(int i) {
  int waiting = 0;
  int fd = pipes[i].kept;
  if (fd <= 0 || ioctl(fd, FIONREAD, &waiting) != 0 || waiting == 0) return;
  double begun = now();
  if (!may_wait(begun)) return;
  for (int turn = 0; ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0; turn++) {
    if (now() - begun > patience) {
      atomic_store(&changes, CHANGES);
      return;
    }
    struct timespec moment = {0, 20000};
    if (turn < 8) sched_yield();
    else nanosleep(&moment, NULL);
  }
}

void chs_before_output(int fd) {
  if (atomic_load(&chs_forked) || !atomic_load(&chs_installed)) return;
  int i = fd == STDERR_FILENO;
  // A cell that closed it is heard again, unless something else is there now.
  if (pipes[i].kept > 0 && fcntl(fd, F_GETFD) < 0 && errno == EBADF) dup2(pipes[i].kept, fd);
  drain(1 - i);
}

void chs_before_child(void) {
  if (atomic_load(&chs_forked) || !atomic_load(&chs_installed)) return;
  int error = errno;
  chs_flush_output();
  chs_sync sync = atomic_load(&sync_run);
  if (chs_prints_to_process()) {
    drain(0);
    drain(1);
  } else if (sync) {
    sync();
  }
  errno = error;
}

// MARK: What cells call

static void *find(const char *name) { return dlsym(RTLD_NEXT, name); }

int posix_spawn(
    pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *restrict attributes, char *const arguments[restrict], char *const variables[restrict]) {
  typedef int (*function)(
      pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
  static function original;
  if (!original) original = (function)find("posix_spawn");
  chs_before_child();
  return original(pid, path, actions, attributes, arguments, variables);
}

int posix_spawnp(
    pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *restrict attributes, char *const arguments[restrict], char *const variables[restrict]) {
  typedef int (*function)(
      pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
  static function original;
  if (!original) original = (function)find("posix_spawnp");
  chs_before_child();
  return original(pid, file, actions, attributes, arguments, variables);
}

int system(const char *command) {
  static int (*original)(const char *);
  if (!original) original = (int (*)(const char *))find("system");
  chs_before_child();
  return original(command);
}

FILE *popen(const char *command, const char *mode) {
  static FILE *(*original)(const char *, const char *);
  if (!original) original = (FILE * (*)(const char *, const char *)) find("popen");
  chs_before_child();
  return original(command, mode);
}

pid_t fork(void) {
  static pid_t (*original)(void);
  if (!original) original = (pid_t(*)(void))find("fork");
  chs_before_child();
  return original();
}
/// A child that shares our memory would print into our buffers.
pid_t vfork(void) { return fork(); }
