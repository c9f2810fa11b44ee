// icl-cell-guard: stands between the kernel and what it starts, its cell host, compilers, commands of a cell, so that
// nothing of a session outlives it.
//
//     icl-cell-guard FOLDER HOST ARGUMENT...       descriptor 4: a socket whose other end only the kernel holds
//
// The guard starts HOST and tells its number on the socket. What the host starts, and what that starts, belongs to the
// guard once its parent is gone (it is a "child subreaper"), whatever group or session it has put itself into. When the
// host ends, when the kernel asks for it or when the kernel is gone, by SIGKILL too, the guard ends all of them and then
// itself, as the host ended. With the kernel gone or at the session's end it removes FOLDER as well, if that isn't "-":
// the kernel may be killed before it comes to that.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIFELINE = 4 };

static pid_t host;
static int host_status = -1;

/// Forgets what has ended. Returns false when there is no child any more.
static bool reap(void) {
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended == host) host_status = status;
    if (ended == 0) return true;
    if (ended < 0 && errno != EINTR) return false;
  }
}

static pid_t parent_of(const char *process) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%.20s/stat", process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  if (count <= 0) return -1;
  text[count] = 0;
  // "7 (name, which may hold anything) S parent ..."
  const char *end = strrchr(text, ')');
  int parent;
  return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

static void kill_children(void) {
  DIR *all = opendir("/proc");
  if (!all) return;
  for (struct dirent *entry; (entry = readdir(all));) {
    pid_t process = atoi(entry->d_name);
    if (process > 1 && parent_of(entry->d_name) == getpid()) kill(process, SIGKILL);
  }
  closedir(all);
}

/// Children of what dies here become children of this process, so in the end none is left.
static void end_all(const sigset_t *watched) {
  // Not for ever: what hangs in a system call that can't be ended is beyond anybody's reach.
  for (int round = 0; round < 1000 && reap(); round++) {
    kill_children();
    struct timespec pause = {0, round < 20 ? 2000000 : 20000000};
    sigtimedwait(watched, NULL, &pause);
  }
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)status, (void)kind, (void)walk;
  remove(path);
  return 0;
}

static void remove_folder(const char *path) {
  // Again, should something have been written meanwhile.
  for (int round = 0; round < 10; round++) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (access(path, F_OK) != 0) return;
    usleep(50000);
  }
}

int main(int count, char **arguments) {
  if (count < 3 || fcntl(LIFELINE, F_GETFD) < 0) {
    fputs("icl-cell-guard is started by icl-kernel, not by hand\n", stderr);
    return 64;
  }
  fcntl(LIFELINE, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t watched, before;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, SIGTERM);
  sigprocmask(SIG_BLOCK, &watched, &before);
  host = fork();
  if (host < 0) return 71;
  if (host == 0) {
    // A group of its own: what a cell sends to "its group" doesn't reach the guard.
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    execv(arguments[2], arguments + 2);
    dprintf(2, "%s: %s\n", arguments[2], strerror(errno));
    _exit(127);
  }
  // The host's output ends with those who write it.
  for (int descriptor = 0; descriptor < LIFELINE; descriptor++) close(descriptor);
  static const int ignored[] = {SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  char told[24];
  int length = snprintf(told, sizeof told, "%d\n", host);
  bool is_kernel_gone = send(LIFELINE, told, (size_t)length, MSG_NOSIGNAL) != length;
  int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  struct pollfd wanted[] = {{.fd = LIFELINE, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  while (!is_kernel_gone && host_status < 0) {
    if (poll(wanted, 2, -1) < 0 && errno != EINTR) break;
    if (wanted[0].revents) break;
    struct signalfd_siginfo info;
    bool is_asked = false;
    while (read(signals, &info, sizeof info) == sizeof info) is_asked |= info.ssi_signo == SIGTERM;
    reap();
    if (is_asked) break;
  }
  end_all(&watched);
  // "e": the host's end is wanted; "s" or nothing more to read: the session's.
  char word;
  ssize_t got;
  do got = recv(LIFELINE, &word, 1, MSG_DONTWAIT);
  while ((got < 0 && errno == EINTR) || (got == 1 && word != 's'));
  bool removes_folder = got >= 0 && strcmp(arguments[1], "-") != 0;
  if (removes_folder) remove_folder(arguments[1]);
  // Whoever waits for the guard learns how the host ended.
  if (host_status >= 0 && WIFEXITED(host_status)) _exit(WEXITSTATUS(host_status));
  int number = host_status >= 0 && WIFSIGNALED(host_status) ? WTERMSIG(host_status) : SIGKILL;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  signal(number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  sigprocmask(SIG_UNBLOCK, &only, NULL);
  raise(number);
  _exit(128 + number);
}
