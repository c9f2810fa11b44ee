/// What the cell host does below Swift: threads that survive their own traps, signals, interposed C functions.
///
/// Nothing here takes effect before `chs_install`, which only the cell host calls.
#pragma once
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHS_MAX_FRAMES = 192, CHS_MAX_MESSAGE = 8192 };

/// What happened to a thread that is now parked for ever.
enum chs_event {
  CHS_TRAPPED = 1,
  CHS_INTERRUPTED = 2,
  CHS_EXITED = 3,
  CHS_ABANDONED = 4,
};

/// What a thread is for.
enum chs_role {
  CHS_UNKNOWN = 0,
  /// Runs a cell's top-level code.
  CHS_CELL = 1,
  /// Runs jobs of Swift's concurrency.
  CHS_JOBS = 2,
  /// Runs the jobs of the main actor and what is sent to the main dispatch queue.
  CHS_MAIN = 3,
  /// Serves the host itself: without it the process is of no use.
  CHS_SERVICE = 4,
};

/// Filled by the thread itself before it parks; read afterwards by whoever got its address from the report pipe.
typedef struct chs_report {
  enum chs_event event;
  enum chs_role role;
  /// The run that this thread worked for; 0 for none.
  uint64_t run;
  int signal;
  int exit_status;
  uint64_t fault_address;
  /// Where the stack ended; 0 while the thread runs.
  uint64_t stack_pointer;
  bool stack_overflow;
  bool main_thread;
  /// The C library found its heap or stack damaged: nothing in this process can be relied on.
  bool corrupted;
  int frame_count;
  /// Program counters, innermost first; all but the first are return addresses.
  uint64_t frames[CHS_MAX_FRAMES];
  int message_length;
  /// What the Swift runtime or the C library said last on this thread, without a terminating zero.
  char message[CHS_MAX_MESSAGE];
} chs_report;

typedef struct chs_thread chs_thread;

/// Installs the signal handlers and remembers the calling thread as the process's main one. Returns the read end
/// of the pipe on which the address of each report arrives (8 bytes), or -1 with errno.
int chs_install(void);

/// Starts a thread of the given role with its own signal stack. Returns NULL with errno when none can be had.
/// The handle stays valid for ever: parked threads are never freed, finished ones are kept for reuse.
chs_thread *chs_start(enum chs_role role, uint64_t run, size_t stack_bytes, void (*body)(void *), void *context);

/// The run that the calling thread works for; 0 for a thread that isn't ours.
uint64_t chs_current_run(void);
/// Whether the calling thread is the process's main one.
bool chs_is_main_thread(void);

/// Whether the calling thread is the main actor's: its own, or that of top-level code of the main shell's cell.
bool chs_is_on_main_actor(void);
/// Makes the calling thread the main actor's, and back. While it runs, no job of the main actor does; while it waits,
/// they do.
void chs_enter_main_actor(void);
void chs_leave_main_actor(void);
/// Between these two the calling thread only waits: jobs of the main actor run meanwhile.
void chs_begin_waiting(void);
void chs_end_waiting(void);

/// Reports and parks the calling thread. Never returns.
_Noreturn void chs_park(enum chs_event event, int exit_status, const char *message);

/// Calls a cell's entry point. Returns also when the cell's top level leaves by `chs_leave_entry`.
void chs_call_entry(const void *entry);
/// Goes back to `chs_call_entry` on the same thread: an error reached the top level, and nothing is left to do there.
_Noreturn void chs_leave_entry(void);

/// Asks top-level code of `run` to end where it next can by itself: behind a variable's initializer, at an `await`.
void chs_ask_to_stop(uint64_t run);
/// Whether the calling thread, of a cell's top-level code, was asked to.
bool chs_is_asked_to_stop(void);
/// The same, asked on any thread that works for the run.
bool chs_is_run_asked_to_stop(void);

/// Says that the value which the calling thread's top-level code awaits next goes into a variable, behind which the cell
/// may end as well.
void chs_keep_next_value(void);
/// Whether that was said of the value that is there now.
bool chs_takes_value(void);

/// Where an interrupt may stop a thread.
enum chs_force {
  /// In a cell's own code, on return to it, or in a blocking system call.
  CHS_GENTLE = 1,
  /// Also in library code that holds no lock, as far as can be told.
  CHS_FIRM = 2,
  /// Anywhere but in the C library.
  CHS_ANYWHERE = 3,
};
/// Asks every thread that does what `run` has begun to park at the next point that `force` allows: the cell's own thread,
/// tasks, blocks on dispatch queues, threads. Returns how many threads were signalled.
int chs_interrupt(uint64_t run, enum chs_force force);
/// Whether any thread still does what `run` has begun.
bool chs_is_running(uint64_t run);
/// Says that an interrupt has ended `run`: its tasks don't come back to code of cells, and its blocks that still wait in
/// a queue don't begin.
void chs_stop_begun(uint64_t run);
/// Where a thread of `run` was when an interrupt last failed to stop it; 0 when that isn't known.
uint64_t chs_unstopped_at(uint64_t run);
/// Whether a thread can't be stopped there without harm, whatever is asked for.
bool chs_is_unstoppable(uint64_t pc);
/// Forgets a finished run's threads so that a late signal can't park them.
void chs_clear_interrupt(uint64_t run);

/// Makes the executable segments of a loaded object known as cell code. `address` is any address inside it.
void chs_register_cell(const void *address);

/// Overwrites the witness tables of `old_module` by those of `new_module`, a loaded object, for every conformance
/// that both state: the runtime keeps to the first one it found, and code compiled earlier refers to it. Returns how
/// many were replaced.
int chs_replace_conformances(void *new_object, const char *new_module, const char *old_module);

/// Where a loaded cell keeps a global variable; NULL when it has none of that name.
void *chs_variable(void *object, const char *module, const char *name);

/// Releases what a cell's global variables hold whose names begin so, all of which are references to objects.
void chs_drop_objects(void *object, const char *module, const char *prefix);

/// Gives memory of released values back to the system, where it's much.
void chs_return_freed(void);

/// Name and offset of the object that holds `address`. Returns false when there is none.
bool chs_locate(uint64_t address, const char **path, uint64_t *offset, const char **symbol);

/// What the runtime wrote to standard error on this thread and wasn't followed by a trap: writes it now.
void chs_flush_runtime_message(void);

/// How far top-level code of a run came: cells call it after each variable's initializer.
void chs_mark(int step);
int chs_marked(uint64_t run);

/// A pipe closed on exec, which Swift can't ask glibc for. 0 or -1 with errno.
int chs_pipe(int ends[2]);

/// A descriptor that becomes readable when the process ends; -1 with errno.
int chs_process_descriptor(int pid);

/// Has a program that is started with `actions` work in a directory. 0, or an error's number.
int chs_spawn_in(posix_spawn_file_actions_t *actions, const char *directory);

/// Gives the part of a parked thread's stack back that nothing lies on; where the stack ran out, all but its top.
void chs_release_stack(const chs_report *report);

/// Whether the calling process is a child that user code forked.
bool chs_is_forked(void);
/// Ends a forked child as a program's end would, without the host's own exit handlers.
_Noreturn void chs_end_forked(int status);

/// Lets the process have `bytes` of private writable memory in all; more is refused to malloc. False with errno.
bool chs_limit_memory(uint64_t bytes);

/// The environment as it is now, "NAME=value" after "NAME=value", each with a zero behind it; to be freed. Safe while
/// other threads change it by setenv, unsetenv, putenv or clearenv. NULL when there is no memory.
char *chs_copy_environment(size_t *count);

/// Reads for the thread that asks, up to `count` bytes; 0 at the end of input. Called on any thread.
typedef long (*chs_input_reader)(char *bytes, size_t count);
/// Makes C's `stdin`, and reading from descriptor 0 on threads that work for a run, ask this function.
void chs_set_input_reader(chs_input_reader function);
/// Forgets that input has ended.
void chs_reopen_input(void);

/// Ends the calling process, and with it what it has started, when its parent's thread ends.
void chs_die_with_parent(void);
/// Ends the process and everything that cells have started in its group, at once.
_Noreturn void chs_end_group(void);

/// What the process is called in lines that libraries log, in place of its executable. The name is kept, not copied.
void chs_set_program_name(char *name);

/// Says that the calling thread serves the host: a trap on it ends the process.
void chs_serve(void);

/// Moves a descriptor to a high number, closed on exec, out of the way of user code. Returns the new one or -1.
/// A cell can't close it.
int chs_move_descriptor(int fd);
/// The same with a copy; the descriptor itself stays open.
int chs_copy_descriptor(int fd);

/// Keeps some descriptors from cells, so that the next cell can be loaded when one has used up all others.
void chs_reserve_descriptors(void);
/// Lets them be used. Returns what `chs_take_descriptors_back` takes.
int chs_lend_descriptors(void);
/// Keeps them from cells again. False when cells have used up all others.
bool chs_take_descriptors_back(int before);

/// The parts of a report that Swift doesn't import from C.
const char *chs_report_message(const chs_report *report);
const uint64_t *chs_report_frames(const chs_report *report);

/// Gives standard output a large buffer.
void chs_buffer_output(void);
/// Empties the buffers of the standard output and error that the calling thread prints to.
void chs_flush_output(void);
/// The same for everybody's, except those that a thread is just writing to.
void chs_flush_all_output(void);

/// Takes what a run with streams of its own has printed. Called on any thread.
typedef void (*chs_output_writer)(uint64_t run, bool is_error, const void *bytes, size_t count);
void chs_set_output_writer(chs_output_writer function);
/// Gives a run a standard output and error of its own, wherever a thread that works for it names them. False when too
/// many runs have some.
bool chs_open_streams(uint64_t run);
/// Empties and takes them back.
void chs_close_streams(uint64_t run);

/// The main shell's run that begins: it prints to the process's streams.
void chs_begin_main_run(uint64_t run);
/// Sends what it has printed; what its threads print from now on goes to the output writer.
void chs_end_main_run(uint64_t run);
/// Copies of the descriptors 1 and 2 as the kernel gave them.
void chs_know_output(int kept_out, int kept_err);
/// Returns when the kernel has handed on all that the calling thread's run has sent. Called before a child of a run with
/// streams of its own begins.
typedef void (*chs_sync)(void);
void chs_set_sync(chs_sync function);

/// Between these two an interrupt doesn't stop the calling thread: it holds what the whole host needs.
void chs_enter_critical(void);
void chs_leave_critical(void);

/// Runs the jobs of Swift's global executor on threads of ours from now on. False when the runtime has no such hook.
bool chs_hook_global_executor(void);

/// Makes the executor with these two words (as in Swift's `UnownedSerialExecutor`) the main actor's.
bool chs_hook_main_executor(void *identity, void *witness);
/// Queues a job for the main actor's thread.
void chs_enqueue_main(void *job);
/// Queues a function for it.
void chs_enqueue_main_function(void (*function)(void *), void *context);
/// Starts threads in place of those that were parked, where jobs wait for them.
void chs_replace_parked_workers(void);

/// Loads and starts sourcekitd from its in-process library. Call once.
bool chs_sourcekit_open(const char *library);
/// Sends a request and waits for the answer as JSON, which the caller frees; NULL with a text in `error`, to be
/// freed as well, when there is none. Any thread, one at a time.
char *chs_sourcekit_request(const char *yaml, char **error);

/// Gives memory that has been freed back to the system once the process has grown by 64 MB: sourcekitd builds anew
/// what cells declare after each of them, and between what stays the C library keeps what it frees.
void chs_return_memory(void);

enum { CHS_MAX_THROW_FRAMES = 48 };
/// Notes from now on where errors are thrown, on threads of ours. False when the runtime has no such hook.
bool chs_hook_throws(void);
/// Return addresses of where an error of the calling thread's run was thrown, innermost first, into room for
/// `CHS_MAX_THROW_FRAMES`. Returns how many; 0 when it isn't known.
int chs_throw_frames(const void *error, uint64_t *frames);
