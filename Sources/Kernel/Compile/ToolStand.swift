import CHostSupport
import Foundation
import Glibc
import Synchronization

/// The compiler and the linker of the next cell, started before there is one.
///
/// Being loaded takes `swift-frontend` a third of the time in which it compiles a small cell. So one waits ready:
/// started as `swift-frontend @/dev/stdin @file`, it stops at reading its own arguments, until its standard input, a
/// pipe, is closed; then it reads them from the file. A tool whose kernel died finds the pipe closed and no file,
/// and ends.
package final class ToolStand: Sendable {
  private struct State {
    var waiting: [String: ReadyTool] = [:]
    /// Tools that are being started.
    var started: Set<String> = []
    var serial = 0
    var isClosed = false
  }
  private let folder: String
  private let guardian: String
  private let state = Mutex(State())

  /// - Parameters:
  ///   - folder: where the arguments are written; private to the session.
  ///   - guardian: the `icl-cell-guard` executable.
  package init(folder: String, guardian: String) {
    self.folder = folder
    self.guardian = guardian
  }

  deinit { close() }

  /// Starts a tool for the next one who takes it, without waiting for it. One of each kind waits at most.
  package func prepare(_ executable: String) {
    let serial = state.withLock { state -> Int? in
      guard !state.isClosed, state.waiting[executable] == nil, state.started.insert(executable).inserted else {
        return nil
      }
      state.serial += 1
      return state.serial
    }
    guard let serial else { return }
    let name = (executable as NSString).lastPathComponent
    let file = "\(folder)/\(name)-\(serial).arguments"
    DispatchQueue.global(qos: .utility).async { [weak self, guardian] in
      // Where none can be started, the one who needs it starts his own and sees why.
      let tool = try? ReadyTool(executable, guardian: guardian, file: file)
      let isKept = self?.state.withLock { state in
        state.started.remove(executable)
        if !state.isClosed { state.waiting[executable] = tool }
        return !state.isClosed
      }
      if isKept != true { tool?.end() }
    }
  }

  /// A tool that waits, for good; `nil` when none does.
  package func take(_ executable: String) -> ReadyTool? {
    state.withLock { $0.waiting.removeValue(forKey: executable) }
  }

  /// Ends the tools that wait and starts no more.
  package func close() {
    let left = state.withLock { state in
      state.isClosed = true
      defer { state.waiting = [:] }
      return Array(state.waiting.values)
    }
    for tool in left { tool.end() }
  }
}

/// A tool that has been loaded and waits for its arguments.
package struct ReadyTool: Sendable {
  let tool: SpawnedTool
  private let executable: String
  private let file: String
  /// The tool waits as long as this end of its standard input is open.
  private let gate: Int32

  init(_ executable: String, guardian: String, file: String) throws {
    var pipes: [Int32] = [-1, -1]
    guard chs_pipe(&pipes) == 0 else { throw posixError("pipe") }
    defer { close(pipes[0]) }
    do {
      tool = try SpawnedTool([executable, "@/dev/stdin", "@" + file], guardian: guardian, input: pipes[0])
    } catch {
      close(pipes[1])
      throw error
    }
    self.executable = executable
    self.file = file
    gate = pipes[1]
  }

  /// Gives the tool its arguments; afterwards the process is the caller's.
  /// - Returns: false when it can't take them; it is then ended, and another has to be started.
  func begin(_ arguments: [String]) -> Bool {
    guard arguments.first == executable, tool.process.isAlive, write(arguments.dropFirst()) else {
      end()
      return false
    }
    close(gate)
    return true
  }

  func end() {
    close(gate)
    tool.end()
    unlink(file)
  }

  /// One argument a line, in double quotes, as tools of LLVM read them.
  private func write(_ arguments: ArraySlice<String>) -> Bool {
    let text = arguments.map { argument in
      "\"" + argument.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"\n"
    }
    return (try? Data(text.joined().utf8).write(to: URL(fileURLWithPath: file))) != nil
  }

  /// To be called when the process has ended.
  func removeArguments() { unlink(file) }
}
