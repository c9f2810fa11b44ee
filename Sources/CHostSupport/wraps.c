// C functions that mean something else inside the cell host.
#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/// The Swift runtime writes "Fatal error: …" to standard error just before it traps. On a thread of ours that text
/// belongs to the report; if no trap follows, it's written when the thread is done. Its functions for that are
/// interposed here: the executable comes first when the loader looks for a symbol.
static bool keep(const void *caller, const void *bytes, size_t count) {
  chs_thread *t = chs_self;
  if (!t || !atomic_load(&chs_installed) || !chs_in_swift_runtime(caller)) return false;
  size_t room = (size_t)(CHS_MAX_MESSAGE - t->report.message_length);
  size_t taken = count < room ? count : room;
  memcpy(t->report.message + t->report.message_length, bytes, taken);
  t->report.message_length += (int)taken;
  return true;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  if (fd == STDERR_FILENO && keep(__builtin_return_address(0), bytes, count)) return (ssize_t)count;
  return syscall(SYS_write, fd, bytes, count);
}

static size_t (*c_fwrite)(const void *, size_t, size_t, FILE *);
__attribute__((constructor)) static void find_fwrite(void) {
  c_fwrite = (size_t(*)(const void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fwrite");
}

size_t fwrite(const void *restrict bytes, size_t size, size_t count, FILE *restrict stream) {
  if (stream == stderr && keep(__builtin_return_address(0), bytes, size * count)) return count;
  if (!c_fwrite) find_fwrite();
  return c_fwrite(bytes, size, count, stream);
}

int fputs(const char *restrict text, FILE *restrict stream) {
  if (stream == stderr && keep(__builtin_return_address(0), text, strlen(text))) return 1;
  size_t length = strlen(text);
  return fwrite(text, 1, length, stream) == length ? 1 : EOF;
}

int fprintf(FILE *restrict stream, const char *restrict format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int result;
  if (stream == stderr && chs_in_swift_runtime(__builtin_return_address(0))) {
    char text[1024];
    result = vsnprintf(text, sizeof text, format, arguments);
    size_t length = result < 0 ? 0 : (size_t)result < sizeof text ? (size_t)result : sizeof text - 1;
    if (!keep(__builtin_return_address(0), text, length)) fwrite(text, 1, length, stderr);
  } else {
    result = vfprintf(stream, format, arguments);
  }
  va_end(arguments);
  return result;
}

void chs_flush_runtime_message(void) {
  chs_thread *t = chs_self;
  if (!t || t->report.message_length == 0) return;
  int left = t->report.message_length;
  const char *at = t->report.message;
  while (left > 0) {
    ssize_t n = syscall(SYS_write, STDERR_FILENO, at, (size_t)left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    at += n;
    left -= (int)n;
  }
  t->report.message_length = 0;
}

/// Cells are linked with `--wrap=exit`: leaving ends the cell, not the session.
_Noreturn void __wrap_exit(int status) {
  if (!atomic_load(&chs_installed)) _exit(status);
  chs_park(CHS_EXITED, status, NULL);
}

const char *chs_report_message(const chs_report *report) { return report->message; }
const uint64_t *chs_report_frames(const chs_report *report) { return report->frames; }

void chs_buffer_output(void) { setvbuf(stdout, NULL, _IOFBF, 1 << 16); }

void chs_flush_output(void) {
  fflush(stdout);
  fflush(stderr);
}

/// A thread that is parked inside `print` (the printed value's own description trapped) holds the stream's lock:
/// nobody could print again. The stream itself is whole then, so the lock is given back.
void chs_release_streams(void) {
#if defined(__GLIBC__)
  // glibc's _IO_lock_t, unchanged since 2.0.
  struct lock {
    int lock;
    int count;
    void *owner;
  };
  FILE *const streams[] = {stdin, stdout, stderr};
  for (int i = 0; i < 3; i++) {
    struct lock *l = streams[i]->_lock;
    if (l && l->lock != 0 && l->owner == (void *)pthread_self()) {
      l->count = 1;
      funlockfile(streams[i]);
    }
  }
#endif
}
