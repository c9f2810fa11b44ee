// sourcekitd in this process, by text: a request in its YAML form goes in, the answer comes out as JSON.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

// As in the toolchain's sourcekitd.h.
typedef struct {
  uint64_t data[3];
} variant;

static void *(*request_from_yaml)(const char *, char **);
static void (*request_release)(void *);
static void *(*send_sync)(void *);
static bool (*is_error)(void *);
static const char *(*error_text)(void *);
static variant (*get_value)(void *);
static char *(*as_json)(variant);
static void (*dispose)(void *);

static bool load(const char *library) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return false;
  void (*initialize)(void) = (void (*)(void))dlsym(handle, "sourcekitd_initialize");
  request_from_yaml = (void *(*)(const char *, char **))dlsym(handle, "sourcekitd_request_create_from_yaml");
  request_release = (void (*)(void *))dlsym(handle, "sourcekitd_request_release");
  send_sync = (void *(*)(void *))dlsym(handle, "sourcekitd_send_request_sync");
  is_error = (bool (*)(void *))dlsym(handle, "sourcekitd_response_is_error");
  error_text = (const char *(*)(void *))dlsym(handle, "sourcekitd_response_error_get_description");
  get_value = (variant(*)(void *))dlsym(handle, "sourcekitd_response_get_value");
  as_json = (char *(*)(variant))dlsym(handle, "sourcekitd_variant_json_description_copy");
  dispose = (void (*)(void *))dlsym(handle, "sourcekitd_response_dispose");
  if (!initialize || !request_from_yaml || !request_release || !send_sync || !is_error || !error_text || !get_value ||
      !as_json || !dispose)
    return false;
  initialize();
  return true;
}

// One library for the process: a second session must not use it while the first still sets it up.
bool chs_sourcekit_open(const char *library) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static bool is_open;
  pthread_mutex_lock(&lock);
  if (!is_open) is_open = load(library);
  bool result = is_open;
  pthread_mutex_unlock(&lock);
  return result;
}

char *chs_sourcekit_request(const char *yaml, char **error) {
  *error = NULL;
  if (!request_from_yaml) return NULL;
  void *request = request_from_yaml(yaml, error);
  if (!request) return NULL;
  void *response = send_sync(request);
  request_release(request);
  char *json = NULL;
  if (is_error(response)) {
    const char *text = error_text(response);
    *error = strdup(text ? text : "unknown");
  } else {
    json = as_json(get_value(response));
  }
  dispose(response);
  return json;
}

size_t chs_resident_bytes(void) {
  char text[128];
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  unsigned long whole, resident;
  if (count <= 0) return 0;
  text[count] = 0;
  return sscanf(text, "%lu %lu", &whole, &resident) == 2 ? resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

void chs_return_memory(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static size_t before;
  pthread_mutex_lock(&lock);
  if (chs_resident_bytes() > before + (64 << 20)) {
    malloc_trim(0);
    before = chs_resident_bytes();
  }
  pthread_mutex_unlock(&lock);
}
