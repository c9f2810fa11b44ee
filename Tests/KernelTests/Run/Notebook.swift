import Foundation
import Kernel
import Logging
import NotebookDisplay
import Synchronization
import Testing

/// A session as a test sees it: run a cell, look at what it showed.
final class Notebook: Sendable {
  let runner: CompilingCellRunner
  let commands: CommandRunner
  private let count = Mutex(0)

  /// What a cell did.
  struct Answer: Sendable {
    var outcome: CellOutcome
    var events: [CellEvent]
    var error: CellError? { if case .error(let error) = outcome { error } else { nil } }
    var stdout: String { text(.stdout) }
    var stderr: String { text(.stderr) }
    var result: String? {
      events.compactMap { if case .result(let bundle) = $0 { bundle.plainText } else { nil } }.last
    }
    private func text(_ name: StreamName) -> String {
      events.map { if case .stream(name, let text) = $0 { text } else { "" } }.joined()
    }
  }

  init(prelude: String = "", environment change: (inout CellEnvironment) -> Void = { _ in }) throws {
    let folder = Self.products
    var environment = CellEnvironment(
      toolchain: try #require(Toolchain.find()), host: folder + "/icl-cell-host", moduleFolders: [folder + "/Modules"],
      hiddenClangModules: ["CQuantKernels", "COpenBLAS", "COpenSSL"], prelude: prelude)
    change(&environment)
    var log = Logger(label: "cells")
    // ICL_LOG=debug shows what the compiler and sourcekitd take and say.
    log.logLevel = ProcessInfo.processInfo.environment["ICL_LOG"].flatMap(Logger.Level.init(rawValue:)) ?? .error
    runner = try CompilingCellRunner(configuration: environment, log: log)
    commands = CommandRunner(runner)
    try commands.start()
  }

  deinit { commands.shutdown() }

  /// The build folder that this test bundle lies in.
  static var products: String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
  }

  @discardableResult
  func run(
    _ code: String, id: String? = nil, allowStdin: Bool = false, isSubshell: Bool = false,
    expressions: [String: String] = [:],
    onEvent: @escaping @Sendable (CellEvent) -> Void = { _ in }
  ) -> Answer {
    let events = Mutex<[CellEvent]>([])
    let number = count.withLock {
      $0 += 1
      return $0
    }
    let request = CellRequest(
      code: code, cellID: id, executionCount: number, allowStdin: allowStdin, isSubshell: isSubshell,
      userExpressions: expressions)
    let outcome = commands.execute(request) { event in
      events.withLock { $0.append(event) }
      onEvent(event)
    }
    return Answer(outcome: outcome, events: events.withLock { $0 })
  }

  /// Runs a cell on another thread and interrupts it after it printed `sign`.
  func interrupt(_ code: String, after sign: String) -> Answer {
    let seen = Mutex(false)
    return run(code) { event in
      guard case .stream(.stdout, let text) = event, text.contains(sign) else { return }
      let isFirst = seen.withLock { seen in
        defer { seen = true }
        return !seen
      }
      if isFirst { self.commands.interrupt() }
    }
  }
}
