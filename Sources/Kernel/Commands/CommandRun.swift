import Foundation
import NotebookDisplay
import Synchronization

/// One cell with commands on its way.
final class CommandRun: Sendable {
  private let cell: CommandCell
  private let request: CellRequest
  private let runner: CommandRunner
  private let events: @Sendable (CellEvent) -> Void
  let child: CommandChild

  init(
    cell: CommandCell, request: CellRequest, runner: CommandRunner, events: @escaping @Sendable (CellEvent) -> Void
  ) {
    self.cell = cell
    self.request = request
    self.runner = runner
    self.events = events
    child = CommandChild(guardian: runner.cells.environment.guardian)
  }

  /// Everything in its order; what comes behind a failure isn't done.
  func execute() -> CellError? {
    // `%%time?` asks what it is.
    if let whole = cell.whole, whole.argument == "?" {
      print(runner.help(for: whole.name))
      return nil
    }
    switch cell.whole?.name {
    case Command.bash.name:
      guard case .swift(let script)? = cell.parts.first else { return nil }
      return bash(script)
    case Command.opt.name: return executeParts(optimized: true)
    case Command.time.name:
      let total = Mutex(CellTimes())
      let error = executeParts { times in total.withLock { $0 += times } }
      if error == nil { print(total.withLock { $0 }.description) }
      return error
    default: return executeParts()
    }
  }

  private func executeParts(
    optimized: Bool = false, measure: (@Sendable (CellTimes) -> Void)? = nil
  ) -> CellError? {
    for (index, part) in cell.parts.enumerated() {
      if child.isCancelled { return Traceback.interrupted([]) }
      let isLast = index == cell.parts.count - 1
      let error: CellError?
      switch part {
      case .swift(let code):
        error = swift(code, part: index, showsResult: isLast, optimized: optimized, measure: measure)
      case .command(let name, let argument, let line):
        error = execute(name, argument, line: line, part: index, showsResult: isLast)
      }
      if let error { return error }
    }
    return nil
  }

  private func execute(
    _ name: String, _ argument: String, line: Int, part: Int, showsResult: Bool
  ) -> CellError? {
    let lines = String(repeating: "\n", count: line - 1)
    if argument == "?" {
      print(runner.help(for: name))
      return nil
    }
    switch name {
    case Command.help.name: print(runner.help(for: argument))
    case Command.who.name: runner.who(argument, events)
    case Command.forget.name: return runner.forget(argument, request, events)
    case Command.reset.name: print(runner.reset())
    case Command.swift.name: return runner.languageMode(argument) { self.events(.stream($0, $1)) }
    case Command.package.name: return runner.usePackage(argument, child: child, events)
    case Command.time.name:
      guard !argument.isEmpty else {
        return Traceback.plain(
          "UsageError", "%time takes a statement; %%time on the first line of a cell times all of it")
      }
      let times = Mutex(CellTimes())
      let error = swift(lines + argument, part: part, showsResult: showsResult) { time in times.withLock { $0 = time } }
      if error == nil { print(times.withLock { $0 }.description) }
      return error
    default:
      guard let command = runner.swiftCommand(name) else { return nil }
      return swift(lines + command.line(argument), part: part, showsResult: showsResult)
    }
    return nil
  }

  private func swift(
    _ code: String, part: Int, showsResult: Bool, optimized: Bool = false,
    measure: (@Sendable (CellTimes) -> Void)? = nil
  ) -> CellError? {
    var own = request
    own.code = code
    own.cellID = "\(request.cellID ?? request.code)#\(part)"
    own.userExpressions = [:]
    own.isOptimized = optimized
    own.measure = measure
    let events = self.events
    let outcome = runner.cells.execute(own) { event in
      // As in a cell without commands, only what stands last is shown.
      if case .result = event, !showsResult { return }
      events(event)
    }
    if case .error(let error) = outcome { return error }
    return nil
  }

  private func bash(_ script: String) -> CellError? {
    let shell = ["/bin/bash", "/usr/bin/bash"].first { FileManager.default.isExecutableFile(atPath: $0) }
    guard let shell else { return Traceback.plain("SystemError", "there is no bash on this machine") }
    do {
      let place = try runner.cells.place(events)
      let status = try child.run([shell, "-c", script], in: place.folder(), environment: place.environment) {
        events(.stream($0, $1))
      }
      if child.isCancelled { return Traceback.interrupted([]) }
      return status == 0 ? nil : Traceback.plain("BashFailed", "bash ended with status \(status)")
    } catch let error as CellError { return error } catch { return Traceback.error(for: error) }
  }

  private func print(_ text: String) { events(.stream(.stdout, text + "\n")) }
}

/// How long the parts of a cell took.
package struct CellTimes: Sendable, CustomStringConvertible {
  package var compile: Duration = .zero
  package var run: Duration = .zero
  /// Of all threads of the process that runs cells.
  package var cpu: Duration = .zero

  static func += (a: inout CellTimes, b: CellTimes) {
    a.compile += b.compile
    a.run += b.run
    a.cpu += b.cpu
  }

  package var description: String {
    "compiled in \(Self.text(compile)) · ran in \(Self.text(run)) · CPU \(Self.text(cpu))"
  }

  /// Three digits: `1.23 s`, `45.6 ms`, `789 µs`.
  static func text(_ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    let (value, unit): (Double, String) =
      seconds >= 60
      ? (seconds / 60, "min")
      : seconds >= 1
        ? (seconds, "s")
        : seconds >= 0.001
          ? (seconds * 1e3, "ms") : (seconds * 1e6, "µs")
    return String(format: value >= 100 ? "%.0f %@" : value >= 10 ? "%.1f %@" : "%.2f %@", value, unit)
  }
}
