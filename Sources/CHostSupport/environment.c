// The environment, which cells change and the host reads for what the kernel starts in their place: the C library lets
// nobody read it while another thread changes it. The executable comes first when the loader looks for a symbol, so the
// functions here are what cells, the Swift libraries and packages call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Stopped by an interrupt while it holds the lock, a thread would keep everybody else waiting.
static void begin(void) {
  chs_enter_critical();
  pthread_mutex_lock(&lock);
}
static void end(void) {
  pthread_mutex_unlock(&lock);
  chs_leave_critical();
}

/// A child that is forked meanwhile finds the lock open.
static void release(void) { pthread_mutex_unlock(&lock); }
static void take(void) { pthread_mutex_lock(&lock); }
__attribute__((constructor)) static void prepare_forks(void) { pthread_atfork(take, release, release); }

// Found at each call: constructors of libraries run before ours, and these calls are rare.
#define C_LIBRARY(type, name) ((type)dlsym(RTLD_NEXT, name))

int setenv(const char *name, const char *value, int overwrite) {
  begin();
  int result = C_LIBRARY(int (*)(const char *, const char *, int), "setenv")(name, value, overwrite);
  end();
  return result;
}

int unsetenv(const char *name) {
  begin();
  int result = C_LIBRARY(int (*)(const char *), "unsetenv")(name);
  end();
  return result;
}

int putenv(char *entry) {
  begin();
  int result = C_LIBRARY(int (*)(char *), "putenv")(entry);
  end();
  return result;
}

int clearenv(void) {
  begin();
  int result = C_LIBRARY(int (*)(void), "clearenv")();
  end();
  return result;
}

char *chs_copy_environment(size_t *count) {
  begin();
  size_t size = 0;
  for (char **entry = environ; entry && *entry; entry++) size += strlen(*entry) + 1;
  char *copy = malloc(size + 1);
  *count = copy ? size : 0;
  if (copy) {
    char *end_of_copy = copy;
    for (char **entry = environ; entry && *entry; entry++) end_of_copy = stpcpy(end_of_copy, *entry) + 1;
  }
  end();
  return copy;
}
