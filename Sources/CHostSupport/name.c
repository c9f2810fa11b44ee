// The name under which the process speaks.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

#include "CHostSupport.h"

extern char *__progname, *__progname_full;

void chs_set_program_name(char *name) {
  // What `warn`, `syslog`, `assert` and their kin of the C library print.
  program_invocation_name = program_invocation_short_name = name;
  __progname = __progname_full = name;
  // What Foundation's `NSLog` prints: it would look for the executable's file.
  typedef const char **(*name_function)(void);
  name_function found = (name_function)dlsym(RTLD_DEFAULT, "_CFGetProgname");
  const char **slot = found ? found() : 0;
  if (slot) *slot = name;
}
