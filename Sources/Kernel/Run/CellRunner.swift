package import NotebookDisplay

/// What a session asks of whatever compiles and runs cells.
///
/// The session owns sockets and message order; the runner owns the compiler and the child process. All calls may
/// come from different threads; `execute` blocks its caller until the cell is over and every output has been
/// handed to `events`, so that a reply sent afterwards comes last.
package protocol CellRunner: AnyObject, Sendable {
  /// Starts the child and warms up the compiler and completion. Returns before they are warm.
  func start() throws

  /// Compiles and runs one cell, beside others where several threads call. Its events arrive in order, on any one
  /// thread at a time, before this returns; afterwards only what threads print that outlive the cell.
  func execute(_ request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome

  /// Stops every running cell, those of subshells too, keeping the session's variables. Returns at once; `execute`
  /// then returns an error outcome named "Interrupted".
  func interrupt()

  func complete(code: String, cursor: Int) -> CompletionAnswer
  func inspect(code: String, cursor: Int, detailLevel: Int) -> MIMEBundle?
  func completeness(of code: String) -> Completeness

  /// Hands a comm's message to whom it is meant for. Returns when it was handled.
  func receive(_ message: CommMessage, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome
  /// The comms that are open: their targets by their ids.
  var comms: [String: String] { get }

  /// What `%help` shows.
  var help: String { get }

  /// Ends the child and removes the session folder. Safe to call twice.
  func shutdown()
}

extension CellRunner {
  package var help: String { Question.plainHelp }
  package var comms: [String: String] { [:] }
  /// A runner without comms closes what is opened.
  package func receive(_ message: CommMessage, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    if message.kind == .open { events(.comm(CommMessage(kind: .close, id: message.id))) }
    return .ok(userExpressions: [:])
  }
}

/// One execute_request as the runner needs it.
package struct CellRequest: Sendable {
  package var code: String
  /// JupyterLab's id of the notebook cell, when the client sent one: a re-run supersedes the earlier run.
  package var cellID: String?
  package var executionCount: Int
  package var silent: Bool
  package var storeHistory: Bool
  package var allowStdin: Bool
  /// Of a subshell: it may run beside the main shell's cell.
  package var isSubshell: Bool
  /// Name to Swift expression, evaluated after the cell succeeded.
  package var userExpressions: [String: String]
  /// Compiles with optimization.
  package var isOptimized = false
  /// Told how long the cell took, when it ran.
  package var measure: (@Sendable (CellTimes) -> Void)?

  package init(
    code: String, cellID: String? = nil, executionCount: Int, silent: Bool = false, storeHistory: Bool = true,
    allowStdin: Bool = false, isSubshell: Bool = false, userExpressions: [String: String] = [:]
  ) {
    self.code = code
    self.cellID = cellID
    self.executionCount = executionCount
    self.silent = silent
    self.storeHistory = storeHistory
    self.allowStdin = allowStdin
    self.isSubshell = isSubshell
    self.userExpressions = userExpressions
  }
}

package enum StreamName: String, Sendable { case stdout, stderr }

/// What a running cell sends, in order.
package enum CellEvent: Sendable {
  /// Complete characters only; batched by the runner's output pump, flushed before the outcome.
  case stream(StreamName, String)
  case display(MIMEBundle, id: String?, update: Bool)
  case clearOutput(wait: Bool)
  case comm(CommMessage)
  /// The value of the trailing expression.
  case result(MIMEBundle)
  /// The cell reads a line. Call `reply` once: the line without its newline, or `nil` for end of file.
  case inputRequest(prompt: String, password: Bool, reply: @Sendable (String?) -> Void)
}

package enum CellOutcome: Sendable {
  case ok(userExpressions: [String: ExpressionOutcome])
  case error(CellError)
}

package enum ExpressionOutcome: Sendable {
  case ok(MIMEBundle)
  case error(CellError)
}

/// What the client shows for a cell that failed: `traceback` lines may carry ANSI colours.
package struct CellError: Error, Sendable, Equatable {
  package var name: String
  package var value: String
  package var traceback: [String]
  package init(name: String, value: String, traceback: [String]) {
    self.name = name
    self.value = value
    self.traceback = traceback
  }
}

package struct CompletionAnswer: Sendable, Equatable {
  package var matches: [Match]
  /// Range that a match replaces, in Unicode code points.
  package var cursorStart: Int
  package var cursorEnd: Int

  package struct Match: Sendable, Equatable {
    package var text: String
    /// A word of `_jupyter_types_experimental`: function, instance, class, keyword, module …
    package var type: String
    package var signature: String?
    package init(text: String, type: String, signature: String? = nil) {
      self.text = text
      self.type = type
      self.signature = signature
    }
  }

  package init(matches: [Match], cursorStart: Int, cursorEnd: Int) {
    self.matches = matches
    self.cursorStart = cursorStart
    self.cursorEnd = cursorEnd
  }
}

package enum Completeness: Sendable, Equatable {
  case complete
  case incomplete(indent: String)
  case invalid
}
