// Dispatch queues in the cell host. What is sent to the main queue runs on the main actor's thread instead, which is
// the same thing in a program and gets a successor when a trap has parked it; on the process's first thread one trap
// would end the queue, and with it the process. Work for other queues keeps the run of the thread that sends it, so
// that what it prints and breaks is told with the right cell.
//
// The executable comes first when the loader looks for a symbol, so the functions here are what cells and the Swift
// libraries call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

typedef void *queue;
typedef void *group;
typedef void (*function)(void *);
/// A block as the compiler makes it (clang's block ABI).
typedef struct block {
  void *isa;
  int flags, reserved;
  void (*invoke)(struct block *);
} block;
typedef struct {
  void *isa;
  int flags, reserved;
  void (*invoke)(void *, size_t);
} counting_block;

static void *(*copy_block)(const void *);
static void (*release_block)(const void *);
static queue main_queue;
static void (*enter_group)(group), (*leave_group)(group);
static queue (*global_queue)(long, unsigned long);
/// How a block made by `dispatch_block_create` begins; dispatch looks at such blocks itself.
static void (*special_invoke)(struct block *);

static void *find(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void find_functions(void) {
  copy_block = (void *(*)(const void *))dlsym(RTLD_DEFAULT, "_Block_copy");
  release_block = (void (*)(const void *))dlsym(RTLD_DEFAULT, "_Block_release");
  main_queue = dlsym(RTLD_DEFAULT, "_dispatch_main_q");
  enter_group = (void (*)(group))dlsym(RTLD_DEFAULT, "dispatch_group_enter");
  leave_group = (void (*)(group))dlsym(RTLD_DEFAULT, "dispatch_group_leave");
  global_queue = (queue(*)(long, unsigned long))dlsym(RTLD_DEFAULT, "dispatch_get_global_queue");
}

static bool ready(void) { return atomic_load(&chs_installed) && copy_block && release_block && main_queue; }
static bool is_main(queue q) { return ready() && q == main_queue; }

/// Work on its way: a block or a function, the run it belongs to, and who waits for it.
typedef struct {
  block *work;
  function plain;
  void *context;
  chs_work from;
  group member_of;
  sem_t *waiting;
} item;

static chs_work here(void) { return (chs_work){chs_current_run(), chs_current_owner()}; }

static item *make_block_item(block *work) {
  item *i = calloc(1, sizeof *i);
  if (!i) return NULL;
  i->work = copy_block(work);
  i->from = here();
  return i;
}
static item *make_item(function plain, void *context) {
  item *i = calloc(1, sizeof *i);
  if (i) *i = (item){.plain = plain, .context = context, .from = here()};
  return i;
}

/// Whether a cell's own code would begin although an interrupt has ended that cell.
static bool is_stopped(chs_work from, const void *code) {
  return chs_is_stopped(from.owner) && chs_in_cell_code((uint64_t)code);
}

static void finish(item *i) {
  if (i->work) {
    if (!is_stopped(i->from, (const void *)i->work->invoke)) i->work->invoke(i->work);
    release_block(i->work);
  } else if (!is_stopped(i->from, (const void *)i->plain)) {
    i->plain(i->context);
  }
  if (i->member_of) leave_group(i->member_of);
  if (i->waiting) sem_post(i->waiting);
  free(i);
}
/// On the main actor's thread, which has the run already.
static void run_item(void *context) { finish(context); }
/// On a worker of dispatch.
static void run_tagged(void *context) {
  item *i = context;
  chs_work before = chs_begin_work(i->from.run, i->from.owner);
  finish(i);
  chs_end_work(before);
}
static void send_to_main(void *context) {
  item *i = context;
  chs_work before = chs_begin_work(i->from.run, i->from.owner);
  chs_enqueue_main_function(run_item, i);
  chs_end_work(before);
}

/// Whether dispatch keeps data of its own in the block, and has to get the block itself.
static bool is_special(block *work) {
  if (!special_invoke) {
    block *(*create)(unsigned long, block *) = (block * (*)(unsigned long, block *)) find("dispatch_block_create");
    if (!create) return true;
    block *made = create(0, work);
    if (!made) return true;
    special_invoke = made->invoke;
    release_block(made);
  }
  return work->invoke == special_invoke;
}
/// Whether `work` should carry the run of the calling thread along.
static bool is_tagged(block *work) { return ready() && chs_current_run() != 0 && !is_special(work); }

// MARK: What cells call

void dispatch_async_f(queue q, void *context, function work) {
  static void (*original)(queue, void *, function);
  if (!original) original = (void (*)(queue, void *, function))find("dispatch_async_f");
  item *i = is_main(q) ? make_item(work, context) : NULL;
  if (i) chs_enqueue_main_function(run_item, i);
  else original(q, context, work);
}

void dispatch_async(queue q, block *work) {
  static void (*original)(queue, block *);
  static void (*with_function)(queue, void *, function);
  if (!original) {
    with_function = (void (*)(queue, void *, function))find("dispatch_async_f");
    original = (void (*)(queue, block *))find("dispatch_async");
  }
  bool main = is_main(q);
  item *i = main || is_tagged(work) ? make_block_item(work) : NULL;
  if (!i) original(q, work);
  else if (main) chs_enqueue_main_function(run_item, i);
  else with_function(q, i, run_tagged);
}

void dispatch_group_async(group g, queue q, block *work) {
  static void (*original)(group, queue, block *);
  static void (*with_function)(group, queue, void *, function);
  if (!original) {
    with_function = (void (*)(group, queue, void *, function))find("dispatch_group_async_f");
    original = (void (*)(group, queue, block *))find("dispatch_group_async");
  }
  bool main = is_main(q);
  item *i = main || is_tagged(work) ? make_block_item(work) : NULL;
  if (!i) return original(g, q, work);
  if (!main) return with_function(g, q, i, run_tagged);
  enter_group(g);
  i->member_of = g;
  chs_enqueue_main_function(run_item, i);
}

void dispatch_group_notify(group g, queue q, block *work) {
  static void (*original)(group, queue, block *);
  static void (*with_function)(group, queue, void *, function);
  if (!original) {
    with_function = (void (*)(group, queue, void *, function))find("dispatch_group_notify_f");
    original = (void (*)(group, queue, block *))find("dispatch_group_notify");
  }
  bool main = is_main(q);
  item *i = main || is_tagged(work) ? make_block_item(work) : NULL;
  if (!i) original(g, q, work);
  else if (main) with_function(g, global_queue(0, 0), i, send_to_main);
  else with_function(g, q, i, run_tagged);
}

void dispatch_after(uint64_t when, queue q, block *work) {
  static void (*original)(uint64_t, queue, block *);
  static void (*with_function)(uint64_t, queue, void *, function);
  if (!original) {
    with_function = (void (*)(uint64_t, queue, void *, function))find("dispatch_after_f");
    original = (void (*)(uint64_t, queue, block *))find("dispatch_after");
  }
  bool main = is_main(q);
  item *i = main || is_tagged(work) ? make_block_item(work) : NULL;
  if (!i) original(when, q, work);
  else if (main) with_function(when, global_queue(0, 0), i, send_to_main);
  else with_function(when, q, i, run_tagged);
}

static bool is_main_actor_thread(void) { return chs_self && chs_self->role == CHS_MAIN; }

static void wait_for(item *i) {
  sem_t done;
  sem_init(&done, 0, 0);
  i->waiting = &done;
  chs_enqueue_main_function(run_item, i);
  chs_begin_waiting();
  while (sem_wait(&done) != 0) {}
  chs_end_waiting();
  sem_destroy(&done);
}

void dispatch_sync(queue q, block *work) {
  static void (*original)(queue, block *);
  if (!original) original = (void (*)(queue, block *))find("dispatch_sync");
  item *i = is_main(q) && !is_main_actor_thread() ? make_block_item(work) : NULL;
  if (i) wait_for(i);
  else original(q, work);
}

void dispatch_sync_f(queue q, void *context, function work) {
  static void (*original)(queue, void *, function);
  if (!original) original = (void (*)(queue, void *, function))find("dispatch_sync_f");
  item *i = is_main(q) && !is_main_actor_thread() ? make_item(work, context) : NULL;
  if (i) wait_for(i);
  else original(q, context, work);
}

void dispatch_assert_queue(queue q) {
  static void (*original)(queue);
  if (!original) original = (void (*)(queue))find("dispatch_assert_queue");
  if (!is_main(q) || !chs_is_on_main_actor()) original(q);
}

void dispatch_assert_queue_not(queue q) {
  static void (*original)(queue);
  if (!original) original = (void (*)(queue))find("dispatch_assert_queue_not");
  if (is_main(q) && chs_is_on_main_actor()) {
    chs_thread *t = chs_self;
    static const char text[] = "Fatal error: Block was not expected to execute on queue [com.apple.main-thread]";
    t->report.message_length = (int)sizeof text - 1;
    memcpy(t->report.message, text, sizeof text - 1);
    __builtin_trap();
  }
  original(q);
}

_Noreturn void dispatch_main(void) {
  static void (*original)(void);
  if (!original) original = (void (*)(void))find("dispatch_main");
  if (!ready() || !chs_is_on_main_actor()) original();
  // As in a program, top-level code ends here and the queue goes on; an interrupt ends the cell.
  chs_begin_waiting();
  for (;;) pause();
}

/// A block that `dispatch_block_create` makes can't be handed on as an item: it carries its run itself.
typedef struct {
  block head;
  const void *descriptor;
  block *inner;
  chs_work from;
} carrier;
static void copy_carrier(void *to, const void *from) {
  ((carrier *)to)->inner = copy_block(((const carrier *)from)->inner);
}
static void dispose_carrier(const void *old) { release_block(((const carrier *)old)->inner); }
static void run_carrier(block *self) {
  carrier *c = (carrier *)self;
  if (is_stopped(c->from, (const void *)c->inner->invoke)) return;
  chs_work before = chs_begin_work(c->from.run, c->from.owner);
  c->inner->invoke(c->inner);
  chs_end_work(before);
}
static const struct {
  unsigned long reserved, size;
  void (*copy)(void *, const void *);
  void (*dispose)(const void *);
} carrier_descriptor = {0, sizeof(carrier), copy_carrier, dispose_carrier};

/// Calls `create` with a block that does the same under the calling thread's run.
static block *carrying(block *work, block *(*create)(block *, const void *), const void *context) {
  enum { HAS_COPY_AND_DISPOSE = 1 << 25 };
  void *isa = dlsym(RTLD_DEFAULT, "_NSConcreteStackBlock");
  if (!ready() || !isa || !chs_current_run() || !work) return create(work, context);
  carrier c = {
      .head = {.isa = isa, .flags = HAS_COPY_AND_DISPOSE, .invoke = run_carrier},
      .descriptor = &carrier_descriptor,
      .inner = work,
      .from = here(),
  };
  return create(&c.head, context);
}

typedef struct {
  unsigned long flags;
  unsigned int qos;
  int priority;
} block_options;
static block *create_plain(block *work, const void *context) {
  static block *(*original)(unsigned long, block *);
  if (!original) original = (block * (*)(unsigned long, block *)) find("dispatch_block_create");
  return original ? original(((const block_options *)context)->flags, work) : NULL;
}
static block *create_with_qos(block *work, const void *context) {
  static block *(*original)(unsigned long, unsigned int, int, block *);
  if (!original)
    original = (block * (*)(unsigned long, unsigned int, int, block *)) find("dispatch_block_create_with_qos_class");
  const block_options *o = context;
  return original ? original(o->flags, o->qos, o->priority, work) : NULL;
}
block *dispatch_block_create(unsigned long flags, block *work) {
  return carrying(work, create_plain, &(block_options){.flags = flags});
}
block *dispatch_block_create_with_qos_class(unsigned long flags, unsigned int qos, int priority, block *work) {
  return carrying(work, create_with_qos, &(block_options){flags, qos, priority});
}

typedef struct {
  counting_block *work;
  chs_work from;
} loop;
static void run_iteration(void *context, size_t index) {
  const loop *l = context;
  if (is_stopped(l->from, (const void *)l->work->invoke)) return;
  chs_work before = chs_begin_work(l->from.run, l->from.owner);
  l->work->invoke(l->work, index);
  chs_end_work(before);
}
void dispatch_apply(size_t count, queue q, counting_block *work) {
  static void (*original)(size_t, queue, counting_block *);
  static void (*with_function)(size_t, queue, void *, void (*)(void *, size_t));
  if (!original) {
    with_function = (void (*)(size_t, queue, void *, void (*)(void *, size_t)))find("dispatch_apply_f");
    original = (void (*)(size_t, queue, counting_block *))find("dispatch_apply");
  }
  loop l = {work, here()};
  if (ready() && l.from.run) with_function(count, q, &l, run_iteration);
  else original(count, q, work);
}
