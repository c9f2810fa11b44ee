package import Logging
package import NotebookDisplay
import Synchronization

/// The runner of a session, made as soon as it can be.
///
/// A kernel that can't run cells for now (no toolchain, no folder to compile in) still serves its session: a client
/// would only see it die. Each cell is told what is missing, and it is tried again.
package final class DeferredRunner: CellRunner {
  private let make: @Sendable () throws -> any CellRunner
  private let made = Mutex<(any CellRunner)?>(nil)
  private let isShutDown = Mutex(false)
  private let log: Logger

  /// - Parameter make: makes the runner, which is then started.
  package init(log: Logger, make: @escaping @Sendable () throws -> any CellRunner) {
    self.log = log
    self.make = make
  }

  private var current: (any CellRunner)? { made.withLock { $0 } }

  /// The runner, made and started now where there was none.
  private func ready() throws -> any CellRunner {
    try made.withLock { made in
      if let made { return made }
      let runner = try make()
      do { try runner.start() } catch {
        runner.shutdown()
        throw error
      }
      made = runner
      return runner
    }
  }

  package func start() {
    do { _ = try ready() } catch { log.error("no cell can run: \(error)") }
  }

  package func execute(_ request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    let runner: any CellRunner
    do {
      if isShutDown.withLock({ $0 }) { return .error(Traceback.interrupted([])) }
      runner = try ready()
    } catch {
      // What clients send on their own, without code, isn't a user's cell.
      if request.code.allSatisfy(\.isWhitespace), request.userExpressions.isEmpty { return .ok(userExpressions: [:]) }
      let lines = "\(error)".split(separator: "\n").map(String.init)
      return .error(
        Traceback.plain(
          "SetupError", lines.first ?? "no cell can run",
          lines: lines.dropFirst() + ["Once that is mended, run the cell again."]))
    }
    return runner.execute(request, events: events)
  }

  package func interrupt() { current?.interrupt() }

  package func complete(code: String, cursor: Int) -> CompletionAnswer {
    current?.complete(code: code, cursor: cursor)
      ?? CompletionAnswer(matches: [], cursorStart: cursor, cursorEnd: cursor)
  }

  package func inspect(code: String, cursor: Int, detailLevel: Int) -> MIMEBundle? {
    current?.inspect(code: code, cursor: cursor, detailLevel: detailLevel)
  }

  package func completeness(of code: String) -> Completeness { current?.completeness(of: code) ?? .of(code) }

  package func receive(_ message: CommMessage, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    if let current { return current.receive(message, events: events) }
    if message.kind == .open { events(.comm(CommMessage(kind: .close, id: message.id))) }
    return .ok(userExpressions: [:])
  }

  package var comms: [String: String] { current?.comms ?? [:] }
  package var help: String { current?.help ?? Question.plainHelp }

  package func shutdown() {
    isShutDown.withLock { $0 = true }
    current?.shutdown()
  }
}
