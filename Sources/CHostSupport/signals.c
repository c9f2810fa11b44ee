// Traps and interrupts: a thread that can't go on says why and stops for ever; the process goes on.
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <fcntl.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "internal.h"

_Atomic bool chs_installed;
_Atomic bool chs_forked;
static int report_pipe[2] = {-1, -1};
static pthread_t main_thread;
enum { STRANGERS = 64 };
/// For threads that aren't ours (a dispatch queue's, a C library's): their traps are reported from here.
static chs_thread strangers[STRANGERS];
static _Atomic int stranger_count;

bool chs_is_main_thread(void) { return pthread_equal(pthread_self(), main_thread); }

static uint64_t program_counter(const ucontext_t *uc) {
#if defined(__x86_64__)
  return (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
#else
  return uc->uc_mcontext.pc;
#endif
}

static uint64_t stack_pointer(const ucontext_t *uc) {
#if defined(__x86_64__)
  return (uint64_t)uc->uc_mcontext.gregs[REG_RSP];
#else
  return uc->uc_mcontext.sp;
#endif
}

static void set_program_counter(ucontext_t *uc, uint64_t pc) {
#if defined(__x86_64__)
  uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
#else
  uc->uc_mcontext.pc = pc;
#endif
}

/// Puts the thread's frames into its report, from the interrupted instruction on.
static void collect_frames(chs_thread *t, uint64_t pc) {
  void *addresses[CHS_MAX_FRAMES];
  int count = backtrace(addresses, CHS_MAX_FRAMES);
  int start = 0;
  for (int i = 0; i < count; i++)
    if ((uint64_t)addresses[i] == pc) {
      start = i;
      break;
    }
  t->report.frame_count = 0;
  if (start == 0 && pc) t->report.frames[t->report.frame_count++] = pc;
  for (int i = start; i < count && t->report.frame_count < CHS_MAX_FRAMES; i++)
    t->report.frames[t->report.frame_count++] = (uint64_t)addresses[i];
}

/// Whether an innermost frame lies in the allocator: its lock is held then, and for ever.
static bool stopped_in_allocator(const chs_report *r) {
  for (int i = 0; i < r->frame_count && i < 4; i++)
    if (chs_in_allocator(r->frames[i])) return true;
  return false;
}

_Noreturn void chs_report_and_stop(chs_thread *t) {
  if (atomic_load(&chs_forked)) _exit(128 + t->report.signal);
  if (!t->report.stack_pointer) t->report.stack_pointer = (uint64_t)__builtin_frame_address(0);
  if (t->report.event == CHS_TRAPPED && stopped_in_allocator(&t->report)) t->report.corrupted = true;
  atomic_store(&t->parked, true);
  chs_worker_parked(t->role);
  chs_give_turn();
  chs_release_streams();
  uint64_t address = (uint64_t)&t->report;
  while (syscall(SYS_write, report_pipe[1], &address, sizeof address) < 0 && errno == EINTR) {}
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  for (;;) syscall(SYS_pause);
}

_Noreturn void chs_park(enum chs_event event, int exit_status, const char *message) {
  chs_thread *t = chs_self;
  if (!t) t = chs_adopt(CHS_UNKNOWN);
  if (!t) _exit(70);
  t->report.event = event;
  t->report.role = t->role;
  t->report.run = atomic_load(&t->run);
  t->report.exit_status = exit_status;
  t->report.main_thread = chs_is_main_thread();
  if (message) {
    size_t n = strnlen(message, CHS_MAX_MESSAGE);
    memcpy(t->report.message, message, n);
    t->report.message_length = (int)n;
  }
  collect_frames(t, 0);
  chs_report_and_stop(t);
}

static chs_thread *stranger(void) {
  int i = atomic_fetch_add(&stranger_count, 1);
  if (i >= STRANGERS) return NULL;
  chs_thread *t = &strangers[i];
  t->id = pthread_self();
  return t;
}

/// glibc keeps the text of its last fatal message here; private, so it may be absent.
static void take_abort_message(chs_report *r) {
  struct text {
    unsigned size;
    char text[];
  } **slot = dlvsym(RTLD_DEFAULT, "__abort_msg", "GLIBC_PRIVATE");
  if (!slot || !*slot) return;
  size_t n = strnlen((*slot)->text, CHS_MAX_MESSAGE);
  memcpy(r->message, (*slot)->text, n);
  r->message_length = (int)n;
  static const char *const damaged[] = {"free()",    "malloc",         "realloc()",       "corrupted",
                                        "double free", "munmap_chunk", "stack smashing", "buffer overflow"};
  r->message[n < CHS_MAX_MESSAGE ? n : n - 1] = 0;
  for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
    if (strstr(r->message, damaged[i])) r->corrupted = true;
}

/// A stack that runs out in library code, in malloc most likely, would leave a lock behind that others need: such code
/// gets a little more stack, and the thread stops when it comes back to the cell.
static bool lend_stack(chs_thread *t, const ucontext_t *uc, uint64_t fault) {
  const size_t kept = 64 << 10;
  if (t->guard_bytes <= kept || chs_in_cell_code(program_counter(uc)) || atomic_exchange(&t->overflowed, true))
    return false;
  char *low = t->stack_low - t->guard_bytes + kept;
  if (fault < (uint64_t)low || mprotect(low, t->guard_bytes - kept, PROT_READ | PROT_WRITE) != 0) return false;
  void *addresses[CHS_MAX_FRAMES];
  int count = backtrace(addresses, CHS_MAX_FRAMES);
  for (int i = 1; i < count; i++)
    if (chs_in_cell_code((uint64_t)addresses[i])) return chs_plant_breakpoint((uint64_t)addresses[i]);
  return false;
}

static void on_trap(int signal, siginfo_t *info, void *context) {
  int saved_errno = errno;
  ucontext_t *uc = context;
  uint64_t pc = program_counter(uc);
  chs_thread *t = chs_self;
#if defined(__x86_64__)
  uint64_t breakpoint = pc - 1;
#else
  uint64_t breakpoint = pc;
#endif
  if (signal == SIGTRAP && chs_lift_breakpoint(breakpoint)) {
    set_program_counter(uc, breakpoint);
    bool overflowed = t && atomic_load(&t->overflowed);
    if (overflowed || (t && atomic_load(&t->interrupt))) {
      t->report.event = overflowed ? CHS_TRAPPED : CHS_INTERRUPTED;
      t->report.signal = overflowed ? SIGSEGV : 0;
      t->report.stack_overflow = overflowed;
      t->report.role = t->role;
      t->report.run = atomic_load(overflowed ? &t->run : &t->owner);
      t->report.main_thread = chs_is_main_thread();
      t->report.stack_pointer = stack_pointer(uc);
      collect_frames(t, breakpoint);
      chs_report_and_stop(t);
    }
    errno = saved_errno;
    return;
  }
  if (t && t->role == CHS_SERVICE) _exit(74);
  if (!t) t = stranger();
  if (!t) _exit(71);
  chs_report *r = &t->report;
  r->event = CHS_TRAPPED;
  r->role = t->role;
  r->run = atomic_load(&t->run);
  r->signal = signal;
  r->main_thread = chs_is_main_thread();
  r->fault_address = (uint64_t)info->si_addr;
  r->stack_pointer = stack_pointer(uc);
  if (signal == SIGSEGV && t->stack_low) {
    // A frame may be larger than the guard: anything near the low end counts.
    uint64_t low = (uint64_t)t->stack_low;
    r->stack_overflow = r->fault_address < low + (64 << 10) && r->fault_address + (16 << 20) > low;
    if (r->stack_overflow && lend_stack(t, uc, r->fault_address)) {
      errno = saved_errno;
      return;
    }
  }
  // A second trap while this one is being described: what is known must do.
  if (!atomic_exchange(&t->in_handler, true)) {
    if (signal == SIGABRT && r->message_length == 0) take_abort_message(r);
    collect_frames(t, pc);
  }
  chs_report_and_stop(t);
}

/// Whether the thread was waiting in the kernel, where parking holds up nobody. A write may hold a stream's lock.
static bool in_blocking_call(const ucontext_t *uc) {
#if defined(__x86_64__)
  uint64_t pc = program_counter(uc);
  const unsigned char *code = (const unsigned char *)pc;
  long call;
  if (code[0] == 0x0f && code[1] == 0x05) {
    call = uc->uc_mcontext.gregs[REG_RAX];
  } else if (code[-2] == 0x0f && code[-1] == 0x05 && uc->uc_mcontext.gregs[REG_RAX] == -EINTR) {
    return true;  // a sleep, a poll, a wait: calls that aren't restarted never hold a stream's lock
  } else {
    return false;
  }
  return call != SYS_write && call != SYS_writev && call != SYS_pwrite64 && call != SYS_sendto;
#else
  const uint32_t *code = (const uint32_t *)program_counter(uc);
  return code[-1] == 0xd4000001 && uc->uc_mcontext.regs[0] == (uint64_t)-EINTR;
#endif
}

/// What lies between the interrupted instruction and the code of a cell that it works for.
typedef struct {
  /// The return address in that code; 0 where there is none.
  uint64_t back;
  /// A function in between may hold a lock that the whole process needs.
  bool may_lock;
} way;

static way way_to_cell(uint64_t pc) {
  void *addresses[CHS_MAX_FRAMES];
  int count = backtrace(addresses, CHS_MAX_FRAMES);
  way found = {0, chs_in_locking_code(pc)};
  int start = 0;
  while (start < count && (uint64_t)addresses[start] != pc) start++;
  if (start == count) {
    found.may_lock = true;
    start = 0;
  }
  for (int i = start + 1; i < count; i++) {
    uint64_t at = (uint64_t)addresses[i];
    if (chs_in_cell_code(at)) {
      found.back = at;
      break;
    }
    if (chs_in_locking_code(at)) found.may_lock = true;
  }
  return found;
}

static void on_interrupt(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  chs_thread *t = chs_self;
  if (!t) return;
  int wanted = atomic_load(&t->interrupt);
  // The host asks again a moment later.
  if (!wanted || atomic_load(&t->critical)) return;
  int saved_errno = errno;
  ucontext_t *uc = context;
  uint64_t pc = program_counter(uc);
  bool safe = chs_in_cell_code(pc);
  way to_cell = {0, false};
  if (!safe) {
    to_cell = way_to_cell(pc);
    // Threads of pools that only wait for work have no cell to come back to, and are left alone.
    bool is_ours = t->role == CHS_CELL || to_cell.back;
    safe = is_ours && in_blocking_call(uc);
    if (!safe && wanted >= CHS_FIRM) safe = to_cell.back && !to_cell.may_lock && !atomic_load(&t->held);
    if (!safe && wanted == CHS_ANYWHERE) safe = (is_ours || t->role != CHS_UNKNOWN) && !chs_in_c_library(pc);
  }
  if (safe) {
    t->report.event = CHS_INTERRUPTED;
    t->report.role = t->role;
    t->report.run = atomic_load(&t->owner);
    t->report.main_thread = chs_is_main_thread();
    t->report.stack_pointer = stack_pointer(uc);
    collect_frames(t, pc);
    chs_report_and_stop(t);
  }
  atomic_store(&t->unstopped_at, pc);
  // Somewhere in a library: stop when it returns to the cell's own code.
  if (to_cell.back) chs_plant_breakpoint(to_cell.back);
  errno = saved_errno;
}

/// What the parent has not written yet is its own; the child would write it a second time.
static void before_fork(void) { chs_flush_all_output(); }
static void in_child(void) {
  atomic_store(&chs_installed, false);
  atomic_store(&chs_forked, true);
  static const int traps[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGSYS, SIGINT, SIGPIPE};
  for (size_t i = 0; i < sizeof traps / sizeof *traps; i++) signal(traps[i], SIG_DFL);
}

int chs_install(void) {
  if (pipe2(report_pipe, O_CLOEXEC) != 0) return -1;
  report_pipe[0] = chs_move_descriptor(report_pipe[0]);
  report_pipe[1] = chs_move_descriptor(report_pipe[1]);
  main_thread = pthread_self();
  // The unwinder allocates on first use; that must not happen in a signal handler.
  void *warm[4];
  backtrace(warm, 4);
  if (!chs_adopt(CHS_UNKNOWN)) return -1;

  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  static const int traps[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGSYS};
  for (size_t i = 0; i < sizeof traps / sizeof *traps; i++) sigaction(traps[i], &action, NULL);

  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(SIGRTMIN + 7, &action, NULL);

  // A client's Ctrl-C reaches the whole process group: the kernel decides what it means.
  signal(SIGINT, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  pthread_atfork(before_fork, NULL, in_child);
  atomic_store(&chs_installed, true);
  return report_pipe[0];
}
