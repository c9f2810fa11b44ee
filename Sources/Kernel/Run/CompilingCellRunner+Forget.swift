import HostProtocol

/// Values that were declared again or forgotten, as far as they are still there.
extension CompilingCellRunner {
  /// A value without a name of its own, as `%who` lists it.
  package struct OlderValue: Sendable {
    package var name: String
    package var type: String
    package var cell: String
    package var reason: String
  }

  package var olderValues: [OlderValue] {
    state.withLock { state in
      state.ledger.olderValues.map { value in
        let reason = value.holder.map { Self.text($0, state.origins) } ?? "the next cell releases it"
        return OlderValue(
          name: value.name, type: value.type, cell: Self.label(value.module, state.origins), reason: reason)
      }
    }
  }

  /// Makes names unknown to later cells and releases their values, older ones too, where nothing can reach them.
  /// - Returns: a line for each name, or an error.
  func forget(
    _ names: [String], request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void
  ) -> Result<[String], CellError> {
    let execution = Execution(isSubshell: request.isSubshell, guardian: environment.guardian)
    state.withLock { state in
      state.executions.append(execution)
      state.latest = events
    }
    defer { state.withLock { state in state.executions.removeAll { $0 === execution } } }
    warm.wait()
    if let failure = reviveHost(execution, events) { return .failure(failure) }
    let unknown = state.withLock { state in names.filter { state.ledger.names[$0] == nil } }
    guard unknown.isEmpty else {
      return .failure(
        Traceback.plain(
          "UnknownName", "no cell has declared \(unknown.joined(separator: ", ")); %who lists what there is"))
    }
    let (wanted, isAlone, generation) = state.withLock { state -> ([Release], Bool, Int) in
      for name in names { _ = state.ledger.forget(name) }
      let isAlone = state.executions.count <= 1
      return (isAlone ? state.ledger.releases : [], isAlone, state.generation)
    }
    var released: [Release] = []
    if !wanted.isEmpty {
      let (ending, variables) = run(
        CompiledCell(module: "", library: "", entry: ""), execution, wantsResult: false, allowStdin: false,
        generation: generation, releases: wanted, events)
      released = variables.released
      state.withLock { if $0.generation == generation { $0.ledger.held.note(released: released) } }
      if let error = error(for: ending, wasInterrupted: execution.isInterrupted) { return .failure(error) }
    }
    let left = olderValues
    return .success(
      names.map { name in
        let gone = released.count { $0.name == name }
        let values = gone == 0 ? "" : gone == 1 ? " Its value is released." : " \(gone) values of it are released."
        let stays = left.filter { $0.name == name }.map { value in
          let why = isAlone ? value.reason : "another cell runs, and may use it"
          return " The value of \(value.cell) stays: \(why)."
        }
        return "\(name) is forgotten." + values + stays.joined()
      })
  }

  private static func label(_ module: String, _ origins: [String: Traceback.Origin]) -> String {
    origins[module]?.label ?? "prelude"
  }

  private static func text(_ holder: ModuleLedger.Holder, _ origins: [String: Traceback.Origin]) -> String {
    switch holder {
    case .code(let module): "a closure, type or accessor in \(label(module, origins)) may still use it"
    case .function(let name, let module): "the function \(name) of \(label(module, origins)) may still use it"
    case .pointer(let module): "a pointer to it may have been kept in \(label(module, origins))"
    case .task(let module): "a task of \(label(module, origins)), which was stopped, may still use it"
    case .unknown: "its declaration has attributes, or is weak or unowned"
    }
  }
}
