// The functions of libzmq that the kernel calls. Each hands its arguments on to the library's own, which is found by
// name. A new function needs one line here.
#include "CZeroMQ.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

static void *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) { library = dlopen("libzmq.so.5", RTLD_NOW | RTLD_LOCAL); }

/// NULL, and `errno` set, where the library or a function of it is missing.
static void *find(const char *name) {
  pthread_once(&once, load);
  void *function = library ? dlsym(library, name) : NULL;
  if (!function) errno = ELIBACC;
  return function;
}

#define FORWARD(result, name, parameters, arguments, missing) \
  result name parameters {                                    \
    static result(*function) parameters;                      \
    result(*known) parameters = __atomic_load_n(&function, __ATOMIC_ACQUIRE); \
    if (!known) {                                             \
      known = (result(*) parameters)find(#name);              \
      if (!known) return missing;                             \
      __atomic_store_n(&function, known, __ATOMIC_RELEASE);   \
    }                                                         \
    return known arguments;                                   \
  }

FORWARD(void *, zmq_ctx_new, (void), (), NULL)
FORWARD(int, zmq_ctx_set, (void *context, int option, int value), (context, option, value), -1)
FORWARD(int, zmq_ctx_term, (void *context), (context), -1)
FORWARD(int, zmq_errno, (void), (), errno)
FORWARD(int, zmq_has, (const char *capability), (capability), 0)
FORWARD(void *, zmq_socket, (void *context, int type), (context, type), NULL)
FORWARD(int, zmq_close, (void *socket), (socket), -1)
FORWARD(int, zmq_bind, (void *socket, const char *address), (socket, address), -1)
FORWARD(int, zmq_connect, (void *socket, const char *address), (socket, address), -1)
FORWARD(int, zmq_setsockopt, (void *socket, int option, const void *value, size_t size), (socket, option, value, size), -1)
FORWARD(int, zmq_getsockopt, (void *socket, int option, void *value, size_t *size), (socket, option, value, size), -1)
FORWARD(int, zmq_send, (void *socket, const void *bytes, size_t size, int flags), (socket, bytes, size, flags), -1)
FORWARD(int, zmq_poll, (zmq_pollitem_t *items, int count, long timeout), (items, count, timeout), -1)
FORWARD(int, zmq_msg_init, (zmq_msg_t *message), (message), -1)
FORWARD(int, zmq_msg_close, (zmq_msg_t *message), (message), -1)
FORWARD(int, zmq_msg_recv, (zmq_msg_t *message, void *socket, int flags), (message, socket, flags), -1)
FORWARD(int, zmq_msg_more, (const zmq_msg_t *message), (message), 0)
FORWARD(void *, zmq_msg_data, (zmq_msg_t *message), (message), NULL)
FORWARD(size_t, zmq_msg_size, (const zmq_msg_t *message), (message), 0)

static const char *missing_text(int number) {
  return number == ELIBACC ? "libzmq.so.5 cannot be loaded; `icl-kernel doctor` says what to install" : strerror(number);
}

FORWARD(const char *, zmq_strerror, (int number), (number), missing_text(number))
