// A child with its whole family: what it starts belongs to its process group, and the group ends with this process.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CHostSupport.h"

static void end_group(int signal) {
  (void)signal;
  kill(0, SIGKILL);
}

static void default_signals(void) {
  static const int changed[] = {SIGINT, SIGPIPE, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
  for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) signal(changed[i], SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_above(int last) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, last + 1, ~0U, 0) == 0) return;
#endif
  for (int fd = last + 1; fd < 65536; fd++) close(fd);
}

// Between fork and exec only what is safe in a signal handler: other threads' locks are copied as they were.
int chs_spawn_group(char *const argv[], char *const envp[], const char *folder, int out, int err) {
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0) return -1;
  pid_t parent = getpid();
  pid_t guard = fork();
  if (guard != 0) {
    int failure = errno;
    close(input);
    // Here too: whoever comes first, the group exists when this returns.
    if (guard > 0) setpgid(guard, guard);
    errno = failure;
    return guard;
  }
  // The guard stays as the group's leader, so that the group can be ended when this process dies.
  default_signals();
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  signal(SIGTERM, end_group);
  if (getppid() != parent) _exit(127);
  pid_t child = fork();
  if (child == 0) {
    default_signals();
    dup2(input, 0);
    if (out == 2) out = dup(out);
    dup2(err, 2);
    dup2(out, 1);
    close_above(2);
    if (chdir(folder) != 0) _exit(126);
    execve(argv[0], argv, envp);
    _exit(127);
  }
  close_above(-1);
  if (child < 0) _exit(126);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
