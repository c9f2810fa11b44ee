// What the C library has for starting programs and Swift's view of it doesn't show.
#define _GNU_SOURCE
#include <spawn.h>

#include "CHostSupport.h"

int chs_spawn_in(posix_spawn_file_actions_t *actions, const char *directory) {
  return posix_spawn_file_actions_addchdir_np(actions, directory);
}
