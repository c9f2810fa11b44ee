// C functions that mean something else inside the cell host.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/// The Swift runtime writes "Fatal error: …" to standard error just before it traps. On a thread of ours that text
/// belongs to the report; if no trap follows, it's written when the thread is done. Its functions for that are
/// interposed (streams.c): the executable comes first when the loader looks for a symbol.
bool chs_keep_message(const void *caller, const void *bytes, size_t count) {
  chs_thread *t = chs_self;
  if (!t || !atomic_load(&chs_installed) || !chs_in_swift_runtime(caller)) return false;
  size_t room = (size_t)(CHS_MAX_MESSAGE - t->report.message_length);
  size_t taken = count < room ? count : room;
  memcpy(t->report.message + t->report.message_length, bytes, taken);
  t->report.message_length += (int)taken;
  return true;
}

void chs_flush_runtime_message(void) {
  chs_thread *t = chs_self;
  if (!t || t->report.message_length == 0) return;
  if (chs_write_own(STDERR_FILENO, t->report.message, (size_t)t->report.message_length)) {
    t->report.message_length = 0;
    return;
  }
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
  if (!atomic_load(&chs_installed)) chs_end_forked(status);
  chs_park(CHS_EXITED, status, NULL);
}

const char *chs_report_message(const chs_report *report) { return report->message; }
const uint64_t *chs_report_frames(const chs_report *report) { return report->frames; }
