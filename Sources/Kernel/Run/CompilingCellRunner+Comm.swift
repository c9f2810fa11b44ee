package import NotebookDisplay

/// Comms: the lines between the page and code of the session. Handlers are in the host, and run there as cells do,
/// with an end, output and interrupts of their own; only that nothing is compiled for them.
extension CompilingCellRunner {
  package var comms: [String: String] { state.withLock { $0.comms } }

  package func receive(
    _ message: CommMessage, events: @escaping @Sendable (CellEvent) -> Void
  ) -> CellOutcome {
    let execution = Execution(isSubshell: true, guardian: environment.guardian)
    state.withLock { $0.executions.append(execution) }
    defer { state.withLock { state in state.executions.removeAll { $0 === execution } } }
    warm.wait()
    let isWanted = state.withLock { state -> Bool in
      // A host that is gone had all the handlers.
      guard state.link != nil else { return false }
      switch message.kind {
      case .open: state.comms[message.id] = message.target
      case .message: return state.comms[message.id] != nil
      case .close: return state.comms.removeValue(forKey: message.id) != nil
      }
      return true
    }
    guard isWanted else {
      if message.kind == .open { events(.comm(CommMessage(kind: .close, id: message.id))) }
      return .ok(userExpressions: [:])
    }
    let (ending, _) = run(
      CompiledCell(module: "", library: "", entry: ""), execution, wantsResult: false, allowStdin: false,
      comm: message, events)
    return error(for: ending, wasInterrupted: execution.isInterrupted).map(CellOutcome.error)
      ?? .ok(userExpressions: [:])
  }

  /// A message of the session's code, on its way to the page.
  func note(_ message: CommMessage) {
    state.withLock { state in
      switch message.kind {
      case .open: state.comms[message.id] = message.target
      case .message: break
      case .close: state.comms[message.id] = nil
      }
    }
  }
}
