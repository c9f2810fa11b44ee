import CHostSupport
import Foundation
import Glibc
import Synchronization

/// A program that a `%`-command runs: its output arrives as it is written, and it can be stopped with everything it
/// started.
final class CommandChild: Sendable {
  private struct State { var running: GuardedProcess?, isCancelled = false }
  private let state = Mutex(State())
  private let guardian: String

  /// - Parameter guardian: the `icl-cell-guard` executable.
  init(guardian: String) { self.guardian = guardian }

  /// Ends the program and all of its children; a program not yet started doesn't start.
  func cancel() {
    state.withLock {
      $0.isCancelled = true
      $0.running?.end()
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
    defer {
      close(out[0])
      close(err[0])
    }
    let process = Result {
      try state.withLock { state -> GuardedProcess? in
        guard !state.isCancelled else { return nil }
        state.running = try GuardedProcess(
          arguments, guardian: guardian, descriptors: [1: out[1], 2: err[1]], directory: folder,
          environment: environment)
        return state.running
      }
    }
    close(out[1])
    close(err[1])
    guard let process = try process.get() else { return 128 + SIGKILL }
    relay(out[0], err[0], until: process.pid, output)
    state.withLock { $0.running = nil }
    let (status, signal) = process.wait()
    return signal == 0 ? status : 128 + signal
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
