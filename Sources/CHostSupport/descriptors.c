// The descriptors of the cell host: those that a cell closed come back, those that the host needs stay, and where a cell
// has used up all there are, the next one can still be loaded and close some.
//
// The executable comes first when the loader looks for a symbol, so the functions here are what cells and the Swift
// libraries call.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/// So many descriptors are kept from cells, for loading the next one.
enum { RESERVE = 32, OWN = 16 };
static _Atomic int own[OWN];
static _Atomic int own_count;

/// A descriptor of the host's own.
static void keep(int fd) {
  int i = atomic_fetch_add(&own_count, 1);
  if (i < OWN) atomic_store(&own[i], fd);
}

static bool is_own(int fd) {
  int count = atomic_load(&own_count);
  for (int i = 0; i < count && i < OWN; i++)
    if (atomic_load(&own[i]) == fd) return true;
  return false;
}

static int moved(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 800);
  if (copy < 0) copy = fcntl(fd, F_DUPFD_CLOEXEC, 60);
  if (copy >= 0) keep(copy);
  return copy;
}

int chs_move_descriptor(int fd) {
  int copy = moved(fd);
  if (copy >= 0) close(fd);
  return copy;
}

int chs_copy_descriptor(int fd) { return moved(fd); }

void chs_reserve_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max - limit.rlim_cur >= RESERVE) return;
  if (limit.rlim_max <= 4 * RESERVE) return;
  limit.rlim_cur = limit.rlim_max - RESERVE;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int chs_lend_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  int before = limit.rlim_cur > INT32_MAX ? INT32_MAX : (int)limit.rlim_cur;
  rlim_t more = limit.rlim_max - limit.rlim_cur;
  limit.rlim_cur += more < RESERVE ? more : RESERVE;
  setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

bool chs_take_descriptors_back(int before) {
  struct rlimit limit;
  if (before <= 0 || before == INT32_MAX || getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;
  limit.rlim_cur = (rlim_t)before;
  setrlimit(RLIMIT_NOFILE, &limit);
  int probe = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  if (probe < 0) return errno != EMFILE;
  syscall(SYS_close, probe);
  return true;
}

int close(int fd) {
  if (atomic_load(&chs_installed)) {
    if (is_own(fd)) {
      // As if it weren't there: a cell that closes all descriptors means its own.
      errno = EBADF;
      return -1;
    }
    if (fd == STDOUT_FILENO || fd == STDERR_FILENO) {
      chs_flush_output();
      // A subshell's cell has no descriptors of its own: those of the process are the main shell's.
      if (!chs_prints_to_process()) return 0;
    }
  }
  return (int)syscall(SYS_close, fd);
}

// What was printed before the descriptor led elsewhere goes where it led then.
static void before_replacing(int fd) {
  if (atomic_load(&chs_installed) && (fd == STDOUT_FILENO || fd == STDERR_FILENO)) chs_flush_output();
}
int dup2(int from, int to) {
  // The system call of the same name isn't there on every processor, and `dup3` refuses equal descriptors.
  if (from == to) return fcntl(from, F_GETFD) < 0 ? -1 : to;
  before_replacing(to);
  return (int)syscall(SYS_dup3, from, to, 0);
}
int dup3(int from, int to, int flags) {
  before_replacing(to);
  return (int)syscall(SYS_dup3, from, to, flags);
}
