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
  package var succeeded: Bool { status == 0 && signal == 0 }

  package init(status: Int32, signal: Int32, output: String) {
    self.status = status
    self.signal = signal
    self.output = output
  }
}

/// Runs tools by `posix_spawn`, one at a time, and can be told to end the one that runs.
package final class ToolRunner: Sendable {
  private struct State { var running: pid_t = 0, cancelled = false }
  private let state = Mutex(State())

  package init() {}

  package var isCancelled: Bool { state.withLock { $0.cancelled } }

  /// Ends the running tool and refuses new ones.
  package func cancel() {
    state.withLock {
      $0.cancelled = true
      if $0.running > 0 { kill($0.running, SIGKILL) }
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
        state.running = ready.process.pid
        return (ready.process, true)
      }
      let tool = try SpawnedTool(arguments)
      state.running = tool.pid
      return (tool, false)
    }
    defer { if isReady { ready?.removeArguments() } }
    let output = collect(tool.output, child: tool.pid, limit: limit)
    close(tool.output)
    var status: Int32 = 0
    while waitpid(tool.pid, &status, 0) < 0 && errno == EINTR {}
    state.withLock { $0.running = 0 }
    let signal = status & 0x7f
    return ToolResult(
      status: signal == 0 ? status >> 8 & 0xff : -1, signal: signal, output: String(decoding: output, as: UTF8.self))
  }

  private func collect(_ descriptor: Int32, child: pid_t, limit: Double) -> [UInt8] {
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let deadline = ContinuousClock.now + .seconds(limit)
    while true {
      var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let left = deadline - .now
      if left <= .zero {
        kill(child, SIGKILL)
        output += Array("\nthe tool was stopped after \(Int(limit)) s\n".utf8)
        break
      }
      let ready = poll(&wanted, 1, Int32(clamping: left.components.seconds * 1000 + 1000))
      if ready < 0 && errno != EINTR { break }
      if ready <= 0 { continue }
      let n = read(descriptor, &buffer, buffer.count)
      if n < 0 && errno == EINTR { continue }
      if n <= 0 { break }
      if output.count < 4 << 20 { output.append(contentsOf: buffer[..<n]) }
    }
    return output
  }
}

/// A tool that was started: its process, and the pipe into which it writes all that it says.
struct SpawnedTool: Sendable {
  let pid: pid_t
  let output: Int32

  /// - Parameter input: the tool's standard input, `/dev/null` if there is none.
  init(_ arguments: [String], input: Int32? = nil) throws {
    var pipes: [Int32] = [-1, -1]
    guard chs_pipe(&pipes) == 0 else { throw posixError("pipe") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
      posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 2)
    let variables = ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }
    var child: pid_t = 0
    let failure = withCStrings(arguments) { argv in
      withCStrings(variables) { posix_spawn(&child, arguments[0], &actions, nil, argv, $0) }
    }
    close(pipes[1])
    guard failure == 0 else {
      close(pipes[0])
      errno = failure
      throw posixError("posix_spawn \(arguments[0])")
    }
    pid = child
    output = pipes[0]
  }

  /// Whether the process hasn't ended yet. One that has stays to be waited for.
  var isAlive: Bool {
    var info = siginfo_t()
    return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == 0
  }

  /// Ends the process and forgets it.
  func end() {
    kill(pid, SIGKILL)
    close(output)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
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
