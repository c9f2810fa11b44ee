// Standard output and error of runs that have streams of their own: a thread that works for such a run finds them
// wherever C and Swift code names stdout, stderr or the descriptors 1 and 2. Everything else goes where it always went.
//
// The executable comes first when the loader looks for a symbol, so the functions here are what cells, the Swift
// libraries and packages call. What a library writes by a system call of its own passes by.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

// glibc has macros of these names.
#undef fwrite_unlocked
#undef putc
#undef putchar
#undef putc_unlocked
#undef putchar_unlocked
#undef fputc_unlocked

enum { SLOTS = 32 };
typedef struct {
  /// 0: nobody's.
  _Atomic uint64_t run;
  /// Made once and never closed: a thread may hold on to them for longer than the run lives.
  FILE *out, *err;
} slot;
static slot slots[SLOTS];
static _Atomic int taken;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(chs_output_writer) writer;

// The C library's own functions.
static int (*c_vfprintf)(FILE *, const char *, va_list);
static int (*c_fputc)(int, FILE *);
static int (*c_fflush)(FILE *);
static size_t (*c_fwrite)(const void *, size_t, size_t, FILE *);
static void (*c_flockfile)(FILE *), (*c_funlockfile)(FILE *);
static int (*c_ftrylockfile)(FILE *);

__attribute__((constructor)) static void find_functions(void) {
  c_vfprintf = (int (*)(FILE *, const char *, va_list))dlsym(RTLD_NEXT, "vfprintf");
  c_fputc = (int (*)(int, FILE *))dlsym(RTLD_NEXT, "fputc");
  c_fflush = (int (*)(FILE *))dlsym(RTLD_NEXT, "fflush");
  c_fwrite = (size_t (*)(const void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fwrite");
  c_flockfile = (void (*)(FILE *))dlsym(RTLD_NEXT, "flockfile");
  c_funlockfile = (void (*)(FILE *))dlsym(RTLD_NEXT, "funlockfile");
  c_ftrylockfile = (int (*)(FILE *))dlsym(RTLD_NEXT, "ftrylockfile");
}
/// Constructors of libraries run before ours and may print.
static void need_functions(void) {
  if (!c_ftrylockfile) find_functions();
}

static slot *slot_of(uint64_t run) {
  if (!run) return NULL;
  for (int i = 0; i < SLOTS; i++)
    if (atomic_load(&slots[i].run) == run) return &slots[i];
  return NULL;
}

static slot *own_slot(void) {
  return atomic_load_explicit(&taken, memory_order_relaxed) == 0 ? NULL : slot_of(chs_current_run());
}

/// The stream that `stream` means on this thread.
static FILE *meant(FILE *stream) {
  need_functions();
  if (stream != stdout && stream != stderr) return stream;
  slot *own = own_slot();
  return !own ? stream : stream == stdout ? own->out : own->err;
}

static ssize_t write_all(int fd, const char *bytes, size_t count) {
  size_t written = 0;
  while (written < count) {
    ssize_t n = syscall(SYS_write, fd, bytes + written, count - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    written += (size_t)n;
  }
  return (ssize_t)count;
}

/// A cookie is a slot's index and, in the lowest bit, whether it's the error stream.
static ssize_t write_cookie(void *cookie, const char *bytes, size_t count) {
  uintptr_t which = (uintptr_t)cookie;
  uint64_t run = atomic_load(&slots[which >> 1].run);
  chs_output_writer send = atomic_load(&writer);
  if (!run || !send) return write_all(which & 1 ? STDERR_FILENO : STDOUT_FILENO, bytes, count);
  send(run, which & 1, bytes, count);
  return (ssize_t)count;
}

static FILE *make_stream(uintptr_t cookie) {
  cookie_io_functions_t functions = {.write = write_cookie};
  FILE *stream = fopencookie((void *)cookie, "w", functions);
  if (stream) setvbuf(stream, NULL, _IOFBF, 1 << 16);
  return stream;
}

void chs_set_output_writer(chs_output_writer function) { atomic_store(&writer, function); }

bool chs_open_streams(uint64_t run) {
  bool opened = false;
  pthread_mutex_lock(&slots_lock);
  for (int i = 0; i < SLOTS && !opened; i++) {
    if (atomic_load(&slots[i].run)) continue;
    if (!slots[i].out) slots[i].out = make_stream((uintptr_t)i << 1);
    if (!slots[i].err) slots[i].err = make_stream((uintptr_t)i << 1 | 1);
    if (!slots[i].out || !slots[i].err) break;
    atomic_store(&slots[i].run, run);
    atomic_fetch_add(&taken, 1);
    opened = true;
  }
  pthread_mutex_unlock(&slots_lock);
  return opened;
}

void chs_close_streams(uint64_t run) {
  slot *own = slot_of(run);
  if (!own) return;
  c_fflush(own->out);
  c_fflush(own->err);
  atomic_store(&own->run, 0);
  atomic_fetch_sub(&taken, 1);
}

/// Flushes a stream unless some thread is at it, which then waits for the pipe: it will be flushed the next time.
static void flush_if_free(FILE *stream) {
  if (!stream || c_ftrylockfile(stream) != 0) return;
  c_fflush(stream);
  c_funlockfile(stream);
}

void chs_flush_all_output(void) {
  need_functions();
  for (int i = 0; i < SLOTS; i++)
    if (atomic_load(&slots[i].run)) {
      flush_if_free(slots[i].out);
      flush_if_free(slots[i].err);
    }
  flush_if_free(stdout);
  flush_if_free(stderr);
}

void chs_buffer_output(void) { setvbuf(stdout, NULL, _IOFBF, 1 << 16); }

void chs_flush_output(void) {
  c_fflush(meant(stdout));
  c_fflush(meant(stderr));
}

bool chs_write_own(int fd, const void *bytes, size_t count) {
  if (fd != STDOUT_FILENO && fd != STDERR_FILENO) return false;
  slot *own = own_slot();
  chs_output_writer send = atomic_load(&writer);
  if (!own || !send) return false;
  uint64_t run = atomic_load(&own->run);
  if (!run) return false;
  send(run, fd == STDERR_FILENO, bytes, count);
  return true;
}

/// A thread that is parked inside `print` (the printed value's own description trapped) holds the stream's lock:
/// nobody could print again. The stream itself is whole then, so the lock is given back.
static void release(FILE *stream) {
#if defined(__GLIBC__)
  // glibc's _IO_lock_t, unchanged since 2.0.
  struct lock {
    int lock;
    int count;
    void *owner;
  } *l = stream ? stream->_lock : NULL;
  if (l && l->lock != 0 && l->owner == (void *)pthread_self()) {
    l->count = 1;
    c_funlockfile(stream);
  }
#endif
}

void chs_release_streams(void) {
  need_functions();
  release(stdin);
  release(stdout);
  release(stderr);
  for (int i = 0; i < SLOTS; i++) {
    release(slots[i].out);
    release(slots[i].err);
  }
}

// MARK: What cells call

size_t fwrite(const void *restrict bytes, size_t size, size_t count, FILE *restrict stream) {
  if (stream == stderr && chs_keep_message(__builtin_return_address(0), bytes, size * count)) return count;
  FILE *f = meant(stream);
  return c_fwrite(bytes, size, count, f);
}
size_t fwrite_unlocked(const void *restrict bytes, size_t size, size_t count, FILE *restrict stream) {
  FILE *f = meant(stream);
  return c_fwrite(bytes, size, count, f);
}

static int put_text(const char *text, FILE *stream) {
  size_t length = strlen(text);
  FILE *f = meant(stream);
  return c_fwrite(text, 1, length, f) == length ? 1 : EOF;
}
int fputs(const char *restrict text, FILE *restrict stream) {
  if (stream == stderr && chs_keep_message(__builtin_return_address(0), text, strlen(text))) return 1;
  return put_text(text, stream);
}
int fputs_unlocked(const char *restrict text, FILE *restrict stream) { return put_text(text, stream); }
int puts(const char *text) {
  FILE *f = meant(stdout);
  size_t length = strlen(text);
  c_flockfile(f);
  bool written = c_fwrite(text, 1, length, f) == length && c_fputc('\n', f) != EOF;
  c_funlockfile(f);
  return written ? 1 : EOF;
}

static int put_character(int c, FILE *stream) {
  FILE *f = meant(stream);
  return c_fputc(c, f);
}
int fputc(int c, FILE *stream) { return put_character(c, stream); }
int putc(int c, FILE *stream) { return put_character(c, stream); }
int _IO_putc(int c, FILE *stream) { return put_character(c, stream); }
int putc_unlocked(int c, FILE *stream) { return put_character(c, stream); }
int fputc_unlocked(int c, FILE *stream) { return put_character(c, stream); }
int putchar(int c) { return put_character(c, stdout); }
int putchar_unlocked(int c) { return put_character(c, stdout); }

static int put_format(FILE *stream, const char *format, va_list arguments) {
  FILE *f = meant(stream);
  return c_vfprintf(f, format, arguments);
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
    FILE *f = meant(stderr);
    c_fwrite(text, 1, length, f);
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
  if (!stream) {
    need_functions();
    return c_fflush(NULL);
  }
  FILE *f = meant(stream);
  return c_fflush(f);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  if (fd == STDERR_FILENO && chs_keep_message(__builtin_return_address(0), bytes, count)) return (ssize_t)count;
  if (chs_write_own(fd, bytes, count)) return (ssize_t)count;
  return syscall(SYS_write, fd, bytes, count);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if ((fd != STDOUT_FILENO && fd != STDERR_FILENO) || !own_slot()) return syscall(SYS_writev, fd, parts, count);
  ssize_t total = 0;
  for (int i = 0; i < count; i++) {
    ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (n < 0) return total ? total : n;
    total += n;
  }
  return total;
}

// A stream that is locked for one run is unlocked for it, even when the run ends in between.
static __thread struct {
  FILE *asked, *locked;
  int depth;
} lock_held[2];

static int lock_index(FILE *stream) { return stream == stdout ? 0 : stream == stderr ? 1 : -1; }
static void note_lock(FILE *asked, FILE *locked) {
  int i = lock_index(asked);
  if (i < 0) return;
  lock_held[i].asked = asked;
  lock_held[i].locked = locked;
  lock_held[i].depth++;
}
static FILE *to_lock(FILE *stream) {
  int i = lock_index(stream);
  return i >= 0 && lock_held[i].depth > 0 ? lock_held[i].locked : meant(stream);
}
void flockfile(FILE *stream) {
  need_functions();
  FILE *f = to_lock(stream);
  c_flockfile(f);
  note_lock(stream, f);
}
int ftrylockfile(FILE *stream) {
  need_functions();
  FILE *f = to_lock(stream);
  int result = c_ftrylockfile(f);
  if (result == 0) note_lock(stream, f);
  return result;
}
void funlockfile(FILE *stream) {
  need_functions();
  int i = lock_index(stream);
  FILE *f = i >= 0 && lock_held[i].depth > 0 ? lock_held[i].locked : stream;
  if (i >= 0 && lock_held[i].depth > 0) lock_held[i].depth--;
  c_funlockfile(f);
}
