// The C library's functions that print, as cells, the Swift libraries and packages call them: they print to the streams
// of the calling thread's run (streams.c).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "streams.h"

// glibc has macros of these names.
#undef fwrite_unlocked
#undef putc
#undef putchar
#undef putc_unlocked
#undef putchar_unlocked
#undef fputc_unlocked

static size_t put_bytes(const void *bytes, size_t size, size_t count, FILE *stream) {
  FILE *f = chs_begin_print(stream, size * count);
  size_t written = chs_c_fwrite_unlocked(bytes, size, count, f);
  chs_end_print(stream, f);
  return written;
}
size_t fwrite(const void *restrict bytes, size_t size, size_t count, FILE *restrict stream) {
  if (stream == stderr && chs_keep_message(__builtin_return_address(0), bytes, size * count)) return count;
  return put_bytes(bytes, size, count, stream);
}
size_t fwrite_unlocked(const void *restrict bytes, size_t size, size_t count, FILE *restrict stream) {
  return put_bytes(bytes, size, count, stream);
}

static int put_text(const char *text, FILE *stream) {
  size_t length = strlen(text);
  return put_bytes(text, 1, length, stream) == length ? 1 : EOF;
}
int fputs(const char *restrict text, FILE *restrict stream) {
  if (stream == stderr && chs_keep_message(__builtin_return_address(0), text, strlen(text))) return 1;
  return put_text(text, stream);
}
int fputs_unlocked(const char *restrict text, FILE *restrict stream) { return put_text(text, stream); }
int puts(const char *text) {
  size_t length = strlen(text);
  FILE *f = chs_begin_print(stdout, length + 1);
  bool written = chs_c_fwrite_unlocked(text, 1, length, f) == length && chs_c_fputc('\n', f) != EOF;
  chs_end_print(stdout, f);
  return written ? 1 : EOF;
}

static int put_character(int c, FILE *stream) {
  FILE *f = chs_begin_print(stream, 1);
  int result = chs_c_fputc(c, f);
  chs_end_print(stream, f);
  return result;
}
int fputc(int c, FILE *stream) { return put_character(c, stream); }
int putc(int c, FILE *stream) { return put_character(c, stream); }
int _IO_putc(int c, FILE *stream) { return put_character(c, stream); }
int putc_unlocked(int c, FILE *stream) { return put_character(c, stream); }
int fputc_unlocked(int c, FILE *stream) { return put_character(c, stream); }
int putchar(int c) { return put_character(c, stdout); }
int putchar_unlocked(int c) { return put_character(c, stdout); }

/// How much room a formatted text is given before its length is known.
enum { FORMATTED = 1 << 12 };
static int put_format(FILE *stream, const char *format, va_list arguments) {
  FILE *f = chs_begin_print(stream, FORMATTED);
  int result = chs_c_vfprintf(f, format, arguments);
  chs_end_print(stream, f);
  return result;
}
int vfprintf(FILE *restrict stream, const char *restrict format, va_list arguments) {
  return put_format(stream, format, arguments);
}
int vprintf(const char *restrict format, va_list arguments) { return put_format(stdout, format, arguments); }
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list arguments) {
  (void)flag;
  return put_format(stream, format, arguments);
}
int __vprintf_chk(int flag, const char *format, va_list arguments) {
  (void)flag;
  return put_format(stdout, format, arguments);
}
#define FORWARD(stream)                              \
  va_list arguments;                                 \
  va_start(arguments, format);                       \
  int result = put_format(stream, format, arguments); \
  va_end(arguments);                                 \
  return result
int printf(const char *restrict format, ...) { FORWARD(stdout); }
int __printf_chk(int flag, const char *format, ...) {
  (void)flag;
  FORWARD(stdout);
}
int __fprintf_chk(FILE *stream, int flag, const char *format, ...) {
  (void)flag;
  FORWARD(stream);
}
int fprintf(FILE *restrict stream, const char *restrict format, ...) {
  if (stream != stderr || !chs_in_swift_runtime(__builtin_return_address(0))) { FORWARD(stream); }
  va_list arguments;
  va_start(arguments, format);
  char text[1024];
  int result = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  size_t length = result < 0 ? 0 : (size_t)result < sizeof text ? (size_t)result : sizeof text - 1;
  if (!chs_keep_message(__builtin_return_address(0), text, length)) {
    put_bytes(text, 1, length, stderr);
  }
  return result;
}
void perror(const char *text) {
  int code = errno;
  if (text && *text) fprintf(stderr, "%s: %s\n", text, strerror(code));
  else fprintf(stderr, "%s\n", strerror(code));
  errno = code;
}

int fflush(FILE *stream) {
  chs_need_functions();
  if (stream && chs_standard_index(stream) < 0) return chs_c_fflush(stream);
  if (!stream && chs_prints_to_process()) chs_flush_output();
  if (!stream) return chs_c_fflush(NULL);
  FILE *f = chs_begin_print(stream, 0);
  if (f == stream) chs_before_output(stream == stdout ? STDOUT_FILENO : STDERR_FILENO);
  int result = chs_c_fflush(f);
  chs_end_print(stream, f);
  return result;
}

/// The streams outlive what a cell does to them: their descriptor is closed, and is there again for the next cell.
int fclose(FILE *stream) {
  static int (*original)(FILE *);
  if (!original) original = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
  chs_need_functions();
  int i = chs_standard_index(stream);
  if (i < 0 || !atomic_load(&chs_installed)) return original(stream);
  int result = fflush(stream);
  return chs_prints_to_process() ? close(i == 0 ? STDOUT_FILENO : STDERR_FILENO) : result;
}

/// Whether a descriptor that isn't 1 or 2 may lead to the same place.
static bool is_pipe(int fd) {
  struct stat found;
  return fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  if (fd == STDERR_FILENO && chs_keep_message(__builtin_return_address(0), bytes, count)) return (ssize_t)count;
  if (chs_write_own(fd, bytes, count)) return (ssize_t)count;
  chs_need_functions();
  bool is_output = fd == STDOUT_FILENO || fd == STDERR_FILENO;
  if (!chs_is_inside_print() && atomic_load(&chs_installed)) {
    if (is_output) {
      chs_flush_output();
      chs_before_output(fd);
    } else if (chs_holds_output() && is_pipe(fd)) {
      // As if a child wrote it.
      chs_before_child();
    }
  }
  return syscall(SYS_write, fd, bytes, count);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (fd != STDOUT_FILENO && fd != STDERR_FILENO) return syscall(SYS_writev, fd, parts, count);
  ssize_t total = 0;
  for (int i = 0; i < count; i++) {
    ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (n < 0) return total ? total : n;
    total += n;
  }
  return total;
}
