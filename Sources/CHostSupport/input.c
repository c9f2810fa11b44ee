// C code that reads standard input asks the client, as `readLine()` does: `stdin` is a stream whose bytes come from a
// function of the host, and so does what is read from descriptor 0 on a thread that works for a run.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

static _Atomic(chs_input_reader) reader;

static ssize_t read_cookie(void *cookie, char *bytes, size_t count) {
  (void)cookie;
  chs_input_reader ask = atomic_load(&reader);
  return ask && chs_current_run() ? ask(bytes, count) : 0;
}

void chs_set_input_reader(chs_input_reader function) {
  cookie_io_functions_t functions = {.read = read_cookie};
  FILE *stream = fopencookie(NULL, "r", functions);
  if (!stream) return;
  atomic_store(&reader, function);
  // glibc's functions that read standard input look at this variable.
  stdin = stream;
}

void chs_reopen_input(void) { clearerr(stdin); }

ssize_t read(int fd, void *bytes, size_t count) {
  if (fd == STDIN_FILENO && atomic_load(&chs_installed) && chs_current_run()) {
    chs_input_reader ask = atomic_load(&reader);
    if (ask) return ask(bytes, count);
  }
  return syscall(SYS_read, fd, bytes, count);
}
