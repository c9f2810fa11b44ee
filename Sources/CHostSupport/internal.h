#pragma once
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "CHostSupport.h"

struct chs_thread {
  struct chs_thread *next;
  pthread_t id;
  enum chs_role role;
  _Atomic uint64_t run;
  /// The run that began what the thread is doing, which need not be the one that it works for: a task of an earlier cell
  /// that this cell's code wakes works for this cell. An interrupt stops what its cell has begun.
  _Atomic uint64_t owner;
  /// Steps of top-level code that were reached.
  _Atomic int mark;
  /// The thread's signal mask lets an interrupt in.
  bool is_reachable;
  /// Top-level code is to end where it next can by itself.
  _Atomic bool asked;
  /// The value that top-level code next awaits goes into a variable.
  bool keeps;
  /// 0, or how hard the thread is asked to stop: an `enum chs_force`.
  _Atomic int interrupt;
  _Atomic bool alive;
  _Atomic bool parked;
  _Atomic bool in_handler;
  /// More than 0 while the thread holds something of the host that others wait for.
  _Atomic int critical;
  /// Locks of the C library's kind that library code took on this thread and has not given back.
  _Atomic int held;
  /// Where the last signal of an interrupt found the thread and had to let it go on.
  _Atomic uint64_t unstopped_at;
  /// The thread as the kernel knows it, to look whether it waits.
  pid_t tid;
  /// Top-level code of a cell that belongs to the main actor.
  _Atomic bool on_main_actor;
  char *stack_low;
  size_t stack_bytes;
  /// Below the stack: pages that nobody may touch, of which the upper part becomes stack when library code runs out.
  size_t guard_bytes;
  _Atomic bool overflowed;
  void *signal_stack;
  jmp_buf *entry;
  void (*body)(void *);
  void *context;
  chs_report report;
};

extern __thread chs_thread *chs_self;
extern _Atomic bool chs_installed;
/// Set in a process that user code forked: nothing here concerns it any more.
extern _Atomic bool chs_forked;

/// What a thread worked for before it took on something else.
typedef struct {
  uint64_t run, owner;
} chs_work;
/// Tags the calling thread with what it does next, and takes that back.
chs_work chs_begin_work(uint64_t run, uint64_t owner);
void chs_end_work(chs_work before);

chs_thread *chs_adopt(enum chs_role role);
bool chs_in_cell_code(uint64_t pc);
bool chs_in_swift_runtime(const void *pc);
bool chs_in_dispatch(const void *pc);
bool chs_in_c_library(uint64_t pc);
/// Whether a thread that is stopped at `pc` might hold a lock of the Swift runtime, the C library or the host.
bool chs_in_locking_code(uint64_t pc);
/// Whether the program counter lies in the library with Foundation's `Thread`.
bool chs_in_foundation(const void *pc);
/// Whether a task that waits to go on has code of a cell among its callers.
bool chs_resumes_cell(const void *job);
/// Whether `pc` lies in malloc and its kin.
bool chs_in_allocator(uint64_t pc);
bool chs_plant_breakpoint(uint64_t address);
bool chs_lift_breakpoint(uint64_t address);
/// A job thread won't come back: another may take its place.
void chs_worker_parked(enum chs_role role);
/// Takes what the Swift runtime writes to standard error into the thread's report; false when someone else wrote it.
bool chs_keep_message(const void *caller, const void *bytes, size_t count);
/// Writes to descriptor 1 or 2 of the calling thread's run, where that has streams of its own.
/// Whether an interrupt has ended this run: what it has begun doesn't go on.
bool chs_is_stopped(uint64_t run);
/// The run that is the owner of what the calling thread begins.
uint64_t chs_current_owner(void);
/// Takes the main actor's turn for the calling thread, or gives it up; see turn.c.
void chs_take_turn(void);
void chs_give_turn(void);
/// Fires the timers of the main run loop that are due, where nobody has the turn. Returns after how many milliseconds
/// to look again; -1 for never.
int chs_serve_run_loop(void);
/// Has the main actor's thread look at the run loop.
void chs_wake_main_actor(void);
bool chs_write_own(int fd, const void *bytes, size_t count);
/// Gives back the standard streams' locks that the calling thread holds.
void chs_release_streams(void);
_Noreturn void chs_report_and_stop(chs_thread *t);
/// Whether the calling thread prints to the process's own streams.
bool chs_prints_to_process(void);
/// Bytes are about to go to descriptor 1 or 2 of the process: waits for those of the other.
void chs_before_output(int fd);
/// A child is about to begin: what the calling thread has printed goes first.
void chs_before_child(void);
/// Memory of the process that is in use.
size_t chs_resident_bytes(void);
