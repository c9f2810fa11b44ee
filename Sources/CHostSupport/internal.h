#pragma once
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "CHostSupport.h"

struct chs_thread {
  struct chs_thread *next;
  pthread_t id;
  enum chs_role role;
  _Atomic uint64_t run;
  /// Steps of top-level code that were reached.
  _Atomic int mark;
  /// 0 no, 1 at a safe point, 2 also in library code.
  _Atomic int interrupt;
  _Atomic bool alive;
  _Atomic bool parked;
  _Atomic bool in_handler;
  /// More than 0 while the thread holds something of the host that others wait for.
  _Atomic int critical;
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

chs_thread *chs_adopt(enum chs_role role);
bool chs_in_cell_code(uint64_t pc);
bool chs_in_swift_runtime(const void *pc);
bool chs_in_dispatch(const void *pc);
bool chs_in_c_library(uint64_t pc);
/// Whether `pc` lies in malloc and its kin.
bool chs_in_allocator(uint64_t pc);
bool chs_plant_breakpoint(uint64_t address);
bool chs_lift_breakpoint(uint64_t address);
/// A job thread won't come back: another may take its place.
void chs_worker_parked(enum chs_role role);
/// Takes what the Swift runtime writes to standard error into the thread's report; false when someone else wrote it.
bool chs_keep_message(const void *caller, const void *bytes, size_t count);
/// Writes to descriptor 1 or 2 of the calling thread's run, where that has streams of its own.
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
