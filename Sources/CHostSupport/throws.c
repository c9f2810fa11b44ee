// Where errors are thrown: Swift's errors carry no frames, so the runtime's hook notes them for the last few.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>

#include "internal.h"

enum { RECENT = 32 };
typedef struct {
  _Atomic uint64_t error;
  uint64_t run;
  const chs_thread *thread;
  int count;
  uint64_t frames[CHS_MAX_THROW_FRAMES];
} record;
/// Written without a lock: of two threads in one slot the result may be mixed, which a glance at the frames survives.
static record recent[RECENT];
static _Atomic uint64_t next;

/// Follows the frame pointers, which Swift's code always keeps, as far as the thread's own stack reaches. Cheap enough
/// for programs that throw in a loop.
static int walk(const chs_thread *t, uint64_t frame, uint64_t *frames, int room) {
  uint64_t low = (uint64_t)t->stack_low, high = low + t->stack_bytes;
  int count = 0;
  while (count < room && frame >= low && frame + 16 <= high && frame % 8 == 0) {
    uint64_t caller = ((const uint64_t *)frame)[0], back = ((const uint64_t *)frame)[1];
    if (!back) break;
    if (count > 0 || !chs_in_swift_runtime((const void *)back)) frames[count++] = back;
    // Frames of asynchronous functions are marked by a bit.
    caller &= ~(UINT64_C(1) << 60);
    if (caller <= frame) break;
    frame = caller;
  }
  return count;
}

static void on_throw(void *error) {
  const chs_thread *t = chs_self;
  if (!t || !t->stack_low) return;
  record *r = &recent[atomic_fetch_add(&next, 1) % RECENT];
  atomic_store(&r->error, 0);
  r->run = atomic_load(&t->run);
  r->thread = t;
  r->count = walk(t, (uint64_t)__builtin_frame_address(0), r->frames, CHS_MAX_THROW_FRAMES);
  atomic_store(&r->error, (uint64_t)error);
}

bool chs_hook_throws(void) {
  void (*set)(void (*)(void *)) = (void (*)(void (*)(void *)))dlsym(RTLD_DEFAULT, "_swift_setWillThrowHandler");
  if (!set) return false;
  set(on_throw);
  return true;
}

int chs_throw_frames(const void *error, uint64_t *frames) {
  uint64_t last = atomic_load(&next), run = chs_current_run();
  const record *found = NULL;
  // The newest, unless that is only where the error came back from asynchronous code.
  for (uint64_t back = 1; back <= RECENT && back <= last; back++) {
    const record *r = &recent[(last - back) % RECENT];
    if (atomic_load(&r->error) != (uint64_t)error || r->run != run) continue;
    bool is_own = r->count > 0 && chs_in_cell_code(r->frames[0]);
    if (!found || (is_own && r->thread != found->thread)) found = r;
    if (is_own) break;
  }
  if (!found) return 0;
  for (int i = 0; i < found->count; i++) frames[i] = found->frames[i];
  return found->count;
}
