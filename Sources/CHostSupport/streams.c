// Standard output and error of runs that have streams of their own: a thread that works for such a run finds them
// wherever C and Swift code names stdout, stderr or the descriptors 1 and 2. Subshells' runs have some from their
// beginning; a run of the main shell gets some when it's over and a thread that it left behind prints. Everything else
// goes to the process's own streams. In which order: order.c.
//
// The executable comes first when the loader looks for a symbol, so the functions here are what cells, the Swift
// libraries and packages call. What a library writes by a system call of its own passes by.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

/// glibc's own flags of a stream, unchanged since 2.0.
enum { UNBUFFERED = 0x2, LINE_BUFFERED = 0x200 };

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
  /// Taken by a thread that outlived its run: another such run may have it when none is free.
  bool late;
  /// When it was taken; the oldest goes first.
  uint64_t turn;
  /// Made once and never closed: a thread may hold on to them for longer than the run lives.
  FILE *out, *err;
} slot;
static slot slots[SLOTS];
static _Atomic int taken;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t turns;
static _Atomic(chs_output_writer) writer;
/// The main shell's run, whose streams are the process's own; 0 between its cells.
static _Atomic uint64_t main_run;
/// Above 0 while the calling thread is inside the C library's functions: a signal handler that prints then must not
/// empty a buffer that is just being changed.
static __thread int inside;

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

static FILE *make_stream(uintptr_t cookie);

/// Gives a run a slot; NULL when there is none. Expects the lock to be held.
static slot *take_slot(uint64_t run, bool late) {
  slot *found = NULL;
  for (int i = 0; i < SLOTS && !found; i++)
    if (!atomic_load(&slots[i].run)) found = &slots[i];
  for (int i = 0; i < SLOTS && late && (!found || atomic_load(&found->run)); i++)
    if (slots[i].late && (!found || slots[i].turn < found->turn)) found = &slots[i];
  if (!found) return NULL;
  uintptr_t index = (uintptr_t)(found - slots);
  if (!found->out) found->out = make_stream(index << 1);
  if (!found->err) found->err = make_stream(index << 1 | 1);
  if (!found->out || !found->err) return NULL;
  if (atomic_load(&found->run)) {
    c_fflush(found->out);
    c_fflush(found->err);
  } else {
    atomic_fetch_add(&taken, 1);
  }
  found->late = late;
  found->turn = ++turns;
  atomic_store(&found->run, run);
  return found;
}

/// The slot of a run that is over, for what a thread prints that it left behind.
static slot *late_slot(uint64_t run) {
  pthread_mutex_lock(&slots_lock);
  slot *found = slot_of(run);
  if (!found) found = take_slot(run, true);
  pthread_mutex_unlock(&slots_lock);
  return found;
}

static slot *own_slot(void) {
  uint64_t run = chs_current_run();
  if (run == 0 || run == atomic_load_explicit(&main_run, memory_order_relaxed)) return NULL;
  if (atomic_load_explicit(&chs_forked, memory_order_relaxed) || !atomic_load(&writer)) return NULL;
  slot *own = atomic_load_explicit(&taken, memory_order_relaxed) == 0 ? NULL : slot_of(run);
  return own ? own : late_slot(run);
}

// A stream that is locked for one run is written to and unlocked for it, even when the run ends in between.
static __thread struct {
  FILE *asked, *locked;
  int depth;
} lock_held[2];
static int lock_index(FILE *stream) { return stream == stdout ? 0 : stream == stderr ? 1 : -1; }

/// Where a thread prints to, and the other stream of the same run.
typedef struct {
  FILE *stream, *other;
  /// The process's own streams, with the descriptors 1 and 2 behind them.
  bool is_process;
} target;

static target aimed(FILE *stream) {
  slot *own = own_slot();
  if (!own) return (target){stream, stream == stdout ? stderr : stdout, true};
  return stream == stdout ? (target){own->out, own->err, false} : (target){own->err, own->out, false};
}

static FILE *meant(FILE *stream) {
  need_functions();
  return lock_index(stream) < 0 ? stream : aimed(stream).stream;
}

static size_t pending(const FILE *f) { return (size_t)(f->_IO_write_ptr - f->_IO_write_base); }

/// Whether printing `count` bytes reaches the descriptor: the stream has no buffer, ends it at a line, or it's full.
static bool reaches(const FILE *f, size_t count) {
  size_t room = (size_t)(f->_IO_buf_end - f->_IO_buf_base);
  return f->_flags & (UNBUFFERED | LINE_BUFFERED) || pending(f) + count >= room;
}

/// Empties one of the process's streams, after what the other one had written.
static void empty(FILE *f) {
  int fd = f == stdout ? STDOUT_FILENO : STDERR_FILENO;
  chs_before_output(fd);
  inside++;
  c_fflush(f);
  inside--;
}

/// What the run's other stream still holds was printed before. Called with neither of them locked: two threads that
/// print to one each must not wait for one another.
static void flush_other(target t) {
  if (inside > 0 || pending(t.other) == 0) return;
  if (t.is_process) empty(t.other);
  else c_fflush(t.other);
}

/// Locks the stream that is meant. The run may end just now, with what its streams hold: then the next ones are meant.
static target lock_meant(FILE *stream) {
  for (;;) {
    target t = aimed(stream);
    flush_other(t);
    c_flockfile(t.stream);
    if (aimed(stream).stream == t.stream) return t;
    c_funlockfile(t.stream);
  }
}

/// Begins printing `count` bytes. Returns the stream, locked for the calling thread until `end`.
static FILE *begin(FILE *stream, size_t count) {
  need_functions();
  int i = lock_index(stream);
  FILE *f = stream;
  if (i >= 0 && lock_held[i].depth == 0) {
    f = lock_meant(stream).stream;
  } else {
    if (i >= 0) f = lock_held[i].locked;
    c_flockfile(f);
  }
  if (i < 0) return f;
  if (inside == 0 && f == stream && reaches(f, count)) {
    if (pending(f) > 0) empty(f);
    else chs_before_output(stream == stdout ? STDOUT_FILENO : STDERR_FILENO);
  }
  inside++;
  return f;
}
static void end(FILE *asked, FILE *stream) {
  if (lock_index(asked) >= 0) {
    inside--;
    // A forked child may end, or become another program, without emptying its buffers.
    if (atomic_load_explicit(&chs_forked, memory_order_relaxed)) c_fflush(stream);
  }
  c_funlockfile(stream);
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
  pthread_mutex_lock(&slots_lock);
  bool opened = take_slot(run, false) || take_slot(run, true);
  pthread_mutex_unlock(&slots_lock);
  return opened;
}

void chs_close_streams(uint64_t run) {
  slot *own = slot_of(run);
  if (!own) return;
  c_fflush(own->out);
  c_fflush(own->err);
  atomic_store(&own->run, 0);
  own->late = false;
  atomic_fetch_sub(&taken, 1);
}

void chs_begin_main_run(uint64_t run) { atomic_store(&main_run, run); }

void chs_end_main_run(uint64_t run) {
  if (!atomic_compare_exchange_strong(&main_run, &run, 0)) return;
  // Threads that go on find streams of their own from here on; what the run printed is sent with it.
  empty(stdout);
  empty(stderr);
}

/// Flushes a stream unless some thread is at it, which then waits for the pipe: it will be flushed the next time.
static void flush_if_free(FILE *stream) {
  if (!stream || pending(stream) == 0) return;
  if (lock_index(stream) >= 0) chs_before_output(stream == stdout ? STDOUT_FILENO : STDERR_FILENO);
  if (c_ftrylockfile(stream) != 0) return;
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
  need_functions();
  if (inside > 0) return;
  slot *own = own_slot();
  FILE *first = own ? own->out : stdout, *second = own ? own->err : stderr;
  if (pending(first)) {
    if (own) c_fflush(first);
    else empty(first);
  }
  if (pending(second)) {
    if (own) c_fflush(second);
    else empty(second);
  }
}

bool chs_prints_to_process(void) { return own_slot() == NULL; }

bool chs_write_own(int fd, const void *bytes, size_t count) {
  if (fd != STDOUT_FILENO && fd != STDERR_FILENO) return false;
  slot *own = own_slot();
  chs_output_writer send = atomic_load(&writer);
  if (!own || !send) return false;
  uint64_t run = chs_current_run();
  if (inside == 0) {
    c_fflush(own->out);
    c_fflush(own->err);
  }
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

static size_t put_bytes(const void *bytes, size_t size, size_t count, FILE *stream) {
  FILE *f = begin(stream, size * count);
  size_t written = c_fwrite(bytes, size, count, f);
  end(stream, f);
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
  FILE *f = begin(stdout, length + 1);
  bool written = c_fwrite(text, 1, length, f) == length && c_fputc('\n', f) != EOF;
  end(stdout, f);
  return written ? 1 : EOF;
}

static int put_character(int c, FILE *stream) {
  FILE *f = begin(stream, 1);
  int result = c_fputc(c, f);
  end(stream, f);
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
  FILE *f = begin(stream, FORMATTED);
  int result = c_vfprintf(f, format, arguments);
  end(stream, f);
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
  need_functions();
  if (stream && lock_index(stream) < 0) return c_fflush(stream);
  if (!stream && !own_slot()) chs_flush_output();
  if (!stream) return c_fflush(NULL);
  FILE *f = begin(stream, 0);
  if (f == stream) chs_before_output(stream == stdout ? STDOUT_FILENO : STDERR_FILENO);
  int result = c_fflush(f);
  end(stream, f);
  return result;
}

/// The streams outlive what a cell does to them: their descriptor is closed, and is there again for the next cell.
int fclose(FILE *stream) {
  static int (*original)(FILE *);
  if (!original) original = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
  need_functions();
  int i = lock_index(stream);
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
  need_functions();
  bool is_output = fd == STDOUT_FILENO || fd == STDERR_FILENO;
  if (inside == 0 && atomic_load(&chs_installed) && (is_output || pending(stdout) || pending(stderr))) {
    if (is_output || is_pipe(fd)) chs_flush_output();
    if (is_output) chs_before_output(fd);
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

static void note_lock(FILE *asked, FILE *locked) {
  int i = lock_index(asked);
  if (i < 0) return;
  lock_held[i].asked = asked;
  lock_held[i].locked = locked;
  lock_held[i].depth++;
}
void flockfile(FILE *stream) {
  need_functions();
  int i = lock_index(stream);
  FILE *f = stream;
  if (i >= 0 && lock_held[i].depth == 0) {
    f = lock_meant(stream).stream;
  } else {
    if (i >= 0) f = lock_held[i].locked;
    c_flockfile(f);
  }
  note_lock(stream, f);
}
int ftrylockfile(FILE *stream) {
  need_functions();
  int i = lock_index(stream);
  FILE *f = i >= 0 && lock_held[i].depth > 0 ? lock_held[i].locked : meant(stream);
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
