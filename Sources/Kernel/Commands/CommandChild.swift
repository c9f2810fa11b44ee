import CHostSupport
import Foundation
import Glibc
import Synchronization

/// A program that a `%`-command runs: its output arrives as it is written, and it can be stopped with everything it
/// started.
final class CommandChild: Sendable {
  private struct State { var group: pid_t = 0, isCancelled = false }
  private let state = Mutex(State())

  /// Ends the program and all of its children; a program not yet started doesn't start.
  func cancel() {
    state.withLock {
      $0.isCancelled = true
      if $0.group > 0 { kill(-$0.group, SIGKILL) }
    }
  }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// Runs to the program's end. What it leaves running in the background ends with it.
  /// - Parameter output: gets complete characters, on the calling thread.
  /// - Returns: the exit status; 128 + n when signal n ended it.
  /// - Throws: ``CompileFailure/system(_:)`` when it can't be started.
  func run(
    _ arguments: [String], in folder: String, environment: [String: String] = ProcessInfo.processInfo.environment,
    output: (StreamName, String) -> Void
  ) throws -> Int32 {
    var out: [Int32] = [-1, -1]
    var err: [Int32] = [-1, -1]
    guard chs_pipe(&out) == 0 else { throw posixError("pipe") }
    guard chs_pipe(&err) == 0 else {
      close(out[0])
      close(out[1])
      throw posixError("pipe")
    }
    let started = withCStrings(arguments) { argv in
      withCStrings(environment.map { "\($0)=\($1)" }) { envp in
        state.withLock { state -> Int32 in
          guard !state.isCancelled else { return 0 }
          state.group = chs_spawn_group(argv, envp, folder, out[1], err[1])
          return state.group
        }
      }
    }
    close(out[1])
    close(err[1])
    defer {
      close(out[0])
      close(err[0])
    }
    guard started >= 0 else { throw posixError("starting \(arguments.first ?? "")") }
    guard started > 0 else { return 128 + SIGKILL }
    relay(out[0], err[0], until: started, output)
    var ended = siginfo_t()
    while waitid(P_PID, id_t(started), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
    // Reaped and forgotten in one step: a later `cancel` can't hit a group that reuses the number.
    return state.withLock { state in
      var status: Int32 = 0
      waitpid(started, &status, 0)
      kill(-started, SIGKILL)
      state.group = 0
      return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }
  }

  /// Hands on what arrives until both pipes are closed, or until the program is gone: a child that it left behind
  /// may hold them open.
  private func relay(_ out: Int32, _ err: Int32, until group: pid_t, _ output: (StreamName, String) -> Void) {
    var decoders = [OutputDecoder(), OutputDecoder()]
    let names = [StreamName.stdout, .stderr]
    var wanted = [
      pollfd(fd: out, events: Int16(POLLIN), revents: 0), pollfd(fd: err, events: Int16(POLLIN), revents: 0),
    ]
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let process = chs_process_descriptor(group)
    if process >= 0 { wanted.append(pollfd(fd: process, events: Int16(POLLIN), revents: 0)) }
    defer { if process >= 0 { close(process) } }
    while wanted[0].fd >= 0 || wanted[1].fd >= 0 {
      let ready = poll(&wanted, nfds_t(wanted.count), -1)
      if ready < 0 && errno == EINTR { continue }
      if ready < 0 { break }
      var gotSomething = false
      for index in 0...1 where wanted[index].fd >= 0 && wanted[index].revents != 0 {
        let count = read(wanted[index].fd, &buffer, buffer.count)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 {
          wanted[index].fd = -1
        } else {
          gotSomething = true
          let text = decoders[index].decode(buffer[..<count])
          if !text.isEmpty { output(names[index], text) }
        }
      }
      let isOver = wanted.count > 2 && wanted[2].revents != 0
      if isOver && !gotSomething { break }
    }
    for index in 0...1 {
      let rest = decoders[index].finish()
      if !rest.isEmpty { output(names[index], rest) }
    }
  }
}
