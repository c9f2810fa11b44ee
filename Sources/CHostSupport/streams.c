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
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "streams.h"

/// glibc's own flags of a stream, unchanged since 2.0.
enum { UNBUFFERED = 0x2, LINE_BUFFERED = 0x200 };


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
/// Above 0 while the calling thread is inside the C library's functions.
static __thread int inside;

int (*chs_c_vfprintf)(FILE *, const char *, va_list);
int (*chs_c_fputc)(int, FILE *);
int (*chs_c_fflush)(FILE *);
size_t (*chs_c_fwrite_unlocked)(const void *, size_t, size_t, FILE *);
static void (*c_flockfile)(FILE *), (*c_funlockfile)(FILE *);
static int (*c_ftrylockfile)(FILE *);

__attribute__((constructor)) static void find_functions(void) {
  chs_c_vfprintf = (int (*)(FILE *, const char *, va_list))dlsym(RTLD_NEXT, "vfprintf");
  chs_c_fputc = (int (*)(int, FILE *))dlsym(RTLD_NEXT, "fputc");
  chs_c_fflush = (int (*)(FILE *))dlsym(RTLD_NEXT, "fflush");
  chs_c_fwrite_unlocked = (size_t (*)(const void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fwrite_unlocked");
  c_flockfile = (void (*)(FILE *))dlsym(RTLD_NEXT, "flockfile");
  c_funlockfile = (void (*)(FILE *))dlsym(RTLD_NEXT, "funlockfile");
  c_ftrylockfile = (int (*)(FILE *))dlsym(RTLD_NEXT, "ftrylockfile");
}
void chs_need_functions(void) {
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
    chs_c_fflush(found->out);
    chs_c_fflush(found->err);
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
int chs_standard_index(FILE *stream) { return stream == stdout ? 0 : stream == stderr ? 1 : -1; }

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
  chs_need_functions();
  return chs_standard_index(stream) < 0 ? stream : aimed(stream).stream;
}

/// Whether printing `count` bytes reaches the descriptor: the stream has no buffer, ends it at a line, or it's full.
static bool reaches(const FILE *f, size_t count) {
  size_t room = (size_t)(f->_IO_buf_end - f->_IO_buf_base);
  return f->_flags & (UNBUFFERED | LINE_BUFFERED) || chs_pending(f) + count >= room;
}

/// Empties one of the process's streams, after what the other one had written. Expects it to be locked.
static void empty_locked(FILE *f) {
  chs_before_output(f == stdout ? STDOUT_FILENO : STDERR_FILENO);
  inside++;
  chs_c_fflush(f);
  inside--;
}

/// Empties a stream. A thread that is at it may wait for the calling one, in the printed value's own description: it's
/// given a moment, not for ever.
static void empty(FILE *f, bool is_process) {
  const struct timespec moment = {0, 100000};
  for (int turn = 0; c_ftrylockfile(f) != 0; turn++) {
    if (turn == 2000) return;
    nanosleep(&moment, NULL);
  }
  if (is_process) empty_locked(f);
  else chs_c_fflush(f);
  c_funlockfile(f);
}

/// What the run's other stream still holds was printed before. Called with neither of them locked: two threads that
/// print to one each must not wait for one another.
static void flush_other(target t) {
  if (inside > 0 || chs_pending(t.other) == 0) return;
  empty(t.other, t.is_process);
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

FILE *chs_begin_print(FILE *stream, size_t count) {
  chs_need_functions();
  int i = chs_standard_index(stream);
  if (i < 0) {
    c_flockfile(stream);
    return stream;
  }
  // Swift's `print` has locked it already.
  FILE *f = lock_held[i].depth > 0 ? lock_held[i].locked : lock_meant(stream).stream;
  if (inside == 0 && f == stream && reaches(f, count)) {
    if (chs_pending(f) > 0) empty_locked(f);
    else chs_before_output(i == 0 ? STDOUT_FILENO : STDERR_FILENO);
  }
  inside++;
  return f;
}

/// Whether the last byte in a stream's buffer, of glibc's layout, ends a line.
static bool ends_line(const FILE *f) { return f->_IO_write_ptr > f->_IO_write_base && f->_IO_write_ptr[-1] == '\n'; }

void chs_end_print(FILE *asked, FILE *stream) {
  int i = chs_standard_index(asked);
  if (i >= 0) {
    inside--;
    // A forked child may end, or become another program, without emptying its buffers: each line leaves at once.
    if (atomic_load_explicit(&chs_forked, memory_order_relaxed) && ends_line(stream)) chs_c_fflush(stream);
    if (lock_held[i].depth > 0) return;
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
  chs_c_fflush(own->out);
  chs_c_fflush(own->err);
  atomic_store(&own->run, 0);
  own->late = false;
  atomic_fetch_sub(&taken, 1);
}

void chs_begin_main_run(uint64_t run) { atomic_store(&main_run, run); }

void chs_end_main_run(uint64_t run) {
  if (!atomic_compare_exchange_strong(&main_run, &run, 0)) return;
  // Threads that go on find streams of their own from here on; what the run printed is sent with it.
  empty(stdout, true);
  empty(stderr, true);
}

/// Flushes a stream unless some thread is at it, which then waits for the pipe: it will be flushed the next time.
static void flush_if_free(FILE *stream) {
  if (!stream || chs_pending(stream) == 0) return;
  if (chs_standard_index(stream) >= 0) chs_before_output(stream == stdout ? STDOUT_FILENO : STDERR_FILENO);
  if (c_ftrylockfile(stream) != 0) return;
  chs_c_fflush(stream);
  c_funlockfile(stream);
}

void chs_flush_all_output(void) {
  chs_need_functions();
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
  chs_need_functions();
  if (inside > 0) return;
  slot *own = own_slot();
  FILE *first = own ? own->out : stdout, *second = own ? own->err : stderr;
  if (chs_pending(first)) empty(first, !own);
  if (chs_pending(second)) empty(second, !own);
}

bool chs_holds_output(void) {
  slot *own = own_slot();
  return own ? chs_pending(own->out) || chs_pending(own->err) : chs_pending(stdout) || chs_pending(stderr);
}

bool chs_is_inside_print(void) { return inside > 0; }

bool chs_prints_to_process(void) { return own_slot() == NULL; }

bool chs_write_own(int fd, const void *bytes, size_t count) {
  if (fd != STDOUT_FILENO && fd != STDERR_FILENO) return false;
  slot *own = own_slot();
  chs_output_writer send = atomic_load(&writer);
  if (!own || !send) return false;
  uint64_t run = chs_current_run();
  if (inside == 0) {
    chs_c_fflush(own->out);
    chs_c_fflush(own->err);
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
  chs_need_functions();
  release(stdin);
  release(stdout);
  release(stderr);
  for (int i = 0; i < SLOTS; i++) {
    release(slots[i].out);
    release(slots[i].err);
  }
}

// MARK: Locks, as cells call them

static void note_lock(FILE *asked, FILE *locked) {
  int i = chs_standard_index(asked);
  if (i < 0) return;
  lock_held[i].asked = asked;
  lock_held[i].locked = locked;
  lock_held[i].depth++;
}
void flockfile(FILE *stream) {
  chs_need_functions();
  int i = chs_standard_index(stream);
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
  chs_need_functions();
  int i = chs_standard_index(stream);
  FILE *f = i >= 0 && lock_held[i].depth > 0 ? lock_held[i].locked : meant(stream);
  int result = c_ftrylockfile(f);
  if (result == 0) note_lock(stream, f);
  return result;
}
void funlockfile(FILE *stream) {
  chs_need_functions();
  int i = chs_standard_index(stream);
  FILE *f = i >= 0 && lock_held[i].depth > 0 ? lock_held[i].locked : stream;
  if (i >= 0 && lock_held[i].depth > 0) lock_held[i].depth--;
  c_funlockfile(f);
}
