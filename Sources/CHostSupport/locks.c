// Counts the locks that libraries hold on each thread, so that an interrupt stops none of them with a lock that the whole
// process needs. The executable comes first when the loader looks for a symbol: these are what libraries call. A cell's
// own locks don't count; what it holds is its own affair.
#define _GNU_SOURCE
#include <dlfcn.h>

#include "internal.h"

static int (*c_lock)(pthread_mutex_t *), (*c_try)(pthread_mutex_t *), (*c_unlock)(pthread_mutex_t *);

__attribute__((constructor)) static void find_functions(void) {
  c_lock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
  c_try = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_trylock");
  c_unlock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_unlock");
}

/// A thread that works for a cell, and the caller isn't the cell's own code.
static chs_thread *counted(const void *caller) {
  chs_thread *t = chs_self;
  return t && atomic_load_explicit(&t->owner, memory_order_relaxed) && !chs_in_cell_code((uint64_t)caller) ? t : NULL;
}

// Counted before the lock is had and until after it is given back: a signal in between finds it held.
int pthread_mutex_lock(pthread_mutex_t *mutex) {
  if (!c_lock) find_functions();
  chs_thread *t = counted(__builtin_return_address(0));
  if (t) atomic_fetch_add_explicit(&t->held, 1, memory_order_relaxed);
  int failure = c_lock(mutex);
  if (t && failure) atomic_fetch_sub_explicit(&t->held, 1, memory_order_relaxed);
  return failure;
}

int pthread_mutex_trylock(pthread_mutex_t *mutex) {
  if (!c_try) find_functions();
  chs_thread *t = counted(__builtin_return_address(0));
  if (t) atomic_fetch_add_explicit(&t->held, 1, memory_order_relaxed);
  int failure = c_try(mutex);
  if (t && failure) atomic_fetch_sub_explicit(&t->held, 1, memory_order_relaxed);
  return failure;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
  if (!c_unlock) find_functions();
  int failure = c_unlock(mutex);
  chs_thread *t = counted(__builtin_return_address(0));
  // One that was taken before the thread worked for a cell isn't known.
  if (t && !failure && atomic_load_explicit(&t->held, memory_order_relaxed) > 0)
    atomic_fetch_sub_explicit(&t->held, 1, memory_order_relaxed);
  return failure;
}
