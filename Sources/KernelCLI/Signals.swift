import Foundation
import Glibc
import Synchronization

/// The writing end of the pipe that the signal handler rings; a global because a handler has no context.
private let bell = Atomic<Int32>(-1)

/// SIGINT and SIGTERM as calls on an ordinary thread.
///
/// Handlers are installed rather than the signals ignored or blocked: what a process catches goes back to the default
/// in the programs that it starts, what it ignores or blocks stays so in the compiler and in the cell host.
enum Signals {
  static func watch(
    onInterrupt: @escaping @Sendable () -> Void, onTerminate: @escaping @Sendable () -> Void
  ) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    bell.store(ends[1], ordering: .sequentiallyConsistent)
    let reading = ends[0]
    let thread = Thread {
      while true {
        var signal: UInt8 = 0
        let count = read(reading, &signal, 1)
        if count < 0, errno == EINTR { continue }
        guard count == 1 else { return }
        if Int32(signal) == SIGINT { onInterrupt() } else { onTerminate() }
      }
    }
    thread.stackSize = 512 << 10
    thread.start()
    for signal in [SIGINT, SIGTERM, SIGHUP] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(bell.load(ordering: .relaxed), &byte, 1)
        errno = saved
      }
      action.sa_flags = SA_RESTART
      _ = sigaction(signal, &action, nil)
    }
    // A client or a host that vanishes is an error of its write, not the end of the kernel.
    var nothing = sigaction()
    nothing.__sigaction_handler.sa_handler = { _ in }
    nothing.sa_flags = SA_RESTART
    _ = sigaction(SIGPIPE, &nothing, nil)
  }
}
