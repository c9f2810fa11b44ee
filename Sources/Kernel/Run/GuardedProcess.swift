import CHostSupport
import Foundation
import Glibc
import Synchronization

/// A program under a guard (`Sources/CellGuard`): all that it starts, in whatever group or session, ends with it, when
/// that is asked for, and with this process, whatever that ends of.
final class GuardedProcess: Sendable {
  /// The guard's number. It ends when all of it is gone, as the program ended.
  let pid: pid_t
  /// The guard acts on what is sent here, and on its end; -1 when the guard is gone.
  private let lifeline: Mutex<Int32>

  /// - Parameters:
  ///   - folder: removed by the guard when this process is gone, or when it is told that a session has ended.
  ///   - descriptors: what the program finds under its numbers from 0 to 3; ours, and left open here.
  ///   - directory: where the program works; `nil` for where this process does.
  /// - Throws: ``CompileFailure/system(_:)`` when it can't be started.
  init(
    _ arguments: [String], guardian: String, folder: String? = nil, descriptors: [Int32: Int32],
    directory: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    let line = try Self.socketPair()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if descriptors[0] == nil { posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) }
    for (theirs, ours) in descriptors { posix_spawn_file_actions_adddup2(&actions, ours, theirs) }
    posix_spawn_file_actions_adddup2(&actions, line.theirs, 4)
    if let directory { chs_spawn_in(&actions, directory) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A group of its own: Ctrl-C in a console is the kernel's to handle. What the kernel does with signals is its own.
    var mask = sigset_t()
    posix_spawnattr_setsigmask(&attributes, &mask)
    sigfillset(&mask)
    posix_spawnattr_setsigdefault(&attributes, &mask)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var child: pid_t = 0
    let failure = withCStrings([guardian, folder ?? "-"] + arguments) { argv in
      withCStrings(environment.map { "\($0)=\($1)" }) { posix_spawn(&child, guardian, &actions, &attributes, argv, $0) }
    }
    close(line.theirs)
    guard failure == 0 else {
      close(line.ours)
      errno = failure
      throw posixError("starting \(arguments.first ?? "") under \(guardian)")
    }
    pid = child
    lifeline = Mutex(line.ours)
  }

  /// The program's own number, which the guard says first; `nil` when it has started none.
  func readNumber() -> pid_t? {
    let descriptor = lifeline.withLock { $0 }
    var digits = ""
    while true {
      var byte: UInt8 = 0
      let count = read(descriptor, &byte, 1)
      if count < 0 && errno == EINTR { continue }
      guard count == 1, digits.utf8.count < 20 else { return nil }
      if byte == UInt8(ascii: "\n") { return pid_t(digits) }
      digits.unicodeScalars.append(Unicode.Scalar(byte))
    }
  }

  /// Ends the program at once, and with it all that it has started.
  func end() { tell("e") }

  /// Ends the program for good: the guard removes the folder as well, should this process not come to it.
  func endSession() { tell("s") }

  private func tell(_ word: Unicode.Scalar) {
    lifeline.withLock { descriptor in
      var byte = UInt8(ascii: word)
      if descriptor >= 0 { _ = Glibc.send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL)) }
    }
  }

  /// Whether the guard hasn't ended yet. One that has stays to be waited for.
  var isAlive: Bool {
    var info = siginfo_t()
    return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == 0
  }

  /// Waits for the end of all of it; to be called once.
  /// - Returns: the exit status, -1 when a signal ended the program; the signal, 0 for none.
  func wait() -> (status: Int32, signal: Int32) {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    lifeline.withLock { descriptor in
      close(descriptor)
      descriptor = -1
    }
    let signal = status & 0x7f
    return (signal == 0 ? status >> 8 & 0xff : -1, signal)
  }

  /// The end for the child lies above those numbers that the child's descriptors get.
  static func socketPair() throws -> (ours: Int32, theirs: Int32) {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw posixError("socketpair")
    }
    let moved = fcntl(ends[1], F_DUPFD_CLOEXEC, 16)
    guard moved >= 0 else {
      for end in ends { close(end) }
      throw posixError("fcntl")
    }
    close(ends[1])
    return (ends[0], moved)
  }
}
