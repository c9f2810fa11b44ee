import Glibc

/// The CPU time that all threads of another process have used.
struct ProcessClock {
  private let clock: clockid_t

  init(pid: pid_t) {
    var clock = clockid_t()
    self.clock = clock_getcpuclockid(pid, &clock) == 0 ? clock : -1
  }

  /// `nil` for a process that is gone.
  var now: Duration? {
    var time = timespec()
    guard clock != -1, clock_gettime(clock, &time) == 0 else { return nil }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}
