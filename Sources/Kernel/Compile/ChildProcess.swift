import CHostSupport
import Foundation
import Glibc
import Synchronization

/// A tool that is run to its end: its output together, and how it ended.
package struct ToolResult: Sendable, Equatable {
  package var status: Int32
  /// The signal that ended it, 0 for none.
  package var signal: Int32
  package var output: String
  /// It was stopped because it took longer than it may.
  package var isTimedOut = false
  package var succeeded: Bool { status == 0 && signal == 0 }

  package init(status: Int32, signal: Int32, output: String) {
    self.status = status
    self.signal = signal
    self.output = output
  }
}

/// Runs tools and can be told to end those that run.
package final class ToolRunner: Sendable {
  private struct State { var running: [GuardedProcess] = [], cancelled = false }
  private let state = Mutex(State())
  private let guardian: String

  /// - Parameter guardian: the `icl-cell-guard` executable.
  package init(guardian: String) { self.guardian = guardian }

  package var isCancelled: Bool { state.withLock { $0.cancelled } }

  /// Ends the running tools, with whatever they started themselves, and refuses new ones.
  package func cancel() {
    state.withLock {
      $0.cancelled = true
      for process in $0.running { process.end() }
    }
  }

  /// Runs a tool and collects what it writes. Output beyond 4 MiB is dropped, and the tool is killed after `limit`
  /// seconds.
  /// - Parameter ready: the same tool, waiting for its arguments.
  package func run(_ arguments: [String], ready: ReadyTool? = nil, limit: Double = 120) throws -> ToolResult {
    let (tool, isReady) = try state.withLock { state in
      guard !state.cancelled else {
        ready?.end()
        throw CompileFailure.interrupted
      }
      if let ready, ready.begin(arguments) {
        state.running.append(ready.tool.process)
        return (ready.tool, true)
      }
      let tool = try SpawnedTool(arguments, guardian: guardian)
      state.running.append(tool.process)
      return (tool, false)
    }
    defer { if isReady { ready?.removeArguments() } }
    var collected = Collected()
    collected.read(tool, limit: limit)
    close(tool.output)
    state.withLock { state in state.running.removeAll { $0.pid == tool.process.pid } }
    let (status, signal) = tool.process.wait()
    var result = ToolResult(
      status: status, signal: signal, output: String(decoding: collected.output, as: UTF8.self))
    result.isTimedOut = collected.isTimedOut
    // One that somebody killed while it waited may not have been seen to be gone: it has done nothing yet.
    if isReady, signal == SIGKILL, collected.output.isEmpty, !collected.isTimedOut, !isCancelled {
      return try run(arguments, limit: limit)
    }
    return result
  }

  /// What a tool has written.
  private struct Collected {
    var output: [UInt8] = []
    var isTimedOut = false
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Reads until the process is over. Its own children may hold the pipe for longer: they aren't waited for.
    mutating func read(_ tool: SpawnedTool, limit: Double) {
      let descriptor = tool.output
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
      let process = chs_process_descriptor(tool.process.pid)
      defer { if process >= 0 { close(process) } }
      let deadline = ContinuousClock.now + .seconds(limit)
      while true {
        var wanted = [
          pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
          pollfd(fd: process, events: Int16(POLLIN), revents: 0),
        ]
        let left = (deadline - .now).milliseconds
        if left <= 0, !isTimedOut {
          isTimedOut = true
          tool.process.end()
        }
        let ready = poll(&wanted, 2, isTimedOut ? 1000 : Int32(clamping: Int(left) + 1))
        if ready < 0 && errno != EINTR { return }
        let isOpen = ready <= 0 || wanted[0].revents == 0 || drain(descriptor)
        if ready > 0, wanted[1].revents != 0 {
          _ = drain(descriptor)
          return
        }
        // Where the system has no descriptors of processes, the end of the pipe has to do.
        if !isOpen {
          if process < 0 { return }
          var over = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
          let remaining = isTimedOut ? 1000 : max(1, (deadline - .now).milliseconds)
          if poll(&over, 1, Int32(clamping: Int(remaining))) > 0 || isTimedOut { return }
        }
      }
    }

    /// - Returns: `false` at the end of the pipe.
    private mutating func drain(_ descriptor: Int32) -> Bool {
      while true {
        let n = Glibc.read(descriptor, &buffer, buffer.count)
        if n == 0 { return false }
        if n < 0 && errno == EINTR { continue }
        if n < 0 { return errno == EAGAIN }
        if output.count < 4 << 20 { output.append(contentsOf: buffer[..<n]) }
      }
    }
  }
}

/// A tool that was started: its process, and the pipe into which it writes all that it says.
struct SpawnedTool: Sendable {
  let process: GuardedProcess
  let output: Int32

  /// - Parameter input: the tool's standard input, `/dev/null` if there is none.
  init(_ arguments: [String], guardian: String, input: Int32? = nil) throws {
    var pipes: [Int32] = [-1, -1]
    guard chs_pipe(&pipes) == 0 else { throw posixError("pipe") }
    defer { close(pipes[1]) }
    var descriptors: [Int32: Int32] = [1: pipes[1], 2: pipes[1]]
    descriptors[0] = input
    do {
      process = try GuardedProcess(arguments, guardian: guardian, descriptors: descriptors)
    } catch {
      close(pipes[0])
      throw error
    }
    output = pipes[0]
  }

  /// Ends the process and forgets it.
  func end() {
    process.end()
    close(output)
    _ = process.wait()
  }
}

func posixError(_ call: String) -> CompileFailure {
  CompileFailure.system("\(call): \(String(cString: strerror(errno)))")
}

/// C's `argv`: the strings live while `body` runs.
func withCStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> R) rethrows -> R {
  let copies = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return try body(copies + [nil])
}
