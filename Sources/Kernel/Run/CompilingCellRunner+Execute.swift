import Foundation
import HostProtocol
import NotebookDisplay
import Synchronization

/// A question to the host how far its runs have come, waited for by a cell that is about to be planned.
final class ProgressQuestion: Sendable {
  private let answer = Mutex<[UInt64: Int]>([:])
  private let answered = DispatchSemaphore(value: 0)

  func put(_ reached: [UInt64: Int]) {
    answer.withLock { $0 = reached }
    answered.signal()
  }

  /// `nil` when the host says nothing for so long.
  func take(seconds: Double) -> [UInt64: Int]? {
    answered.wait(timeout: .now() + seconds) == .success ? answer.withLock { $0 } : nil
  }
}

extension CompilingCellRunner {
  package static let preludeRemark = "The prelude failed, and what it declares is missing.\n"

  package func execute(_ request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    let execution = Execution(isSubshell: request.isSubshell, guardian: environment.guardian)
    state.withLock { state in
      state.executions.append(execution)
      if !request.silent { state.latest = events }
    }
    defer {
      state.withLock { state in state.executions.removeAll { $0 === execution } }
      warmCompletion()
    }
    warm.wait()
    if let failure = reviveHost(execution, events) { return .error(failure) }
    if let failure = state.withLock({ state in
      defer { state.preludeFailure = nil }
      return state.preludeFailure
    }) {
      events(.stream(.stderr, Self.preludeRemark))
      events(.stream(.stderr, failure.traceback.joined(separator: "\n") + "\n"))
    }
    let source = CellSource(request.code)
    if !source.isEmpty, let error = execute(source, request, execution, events) { return .error(error) }
    var answers: [String: ExpressionOutcome] = [:]
    for (name, expression) in request.userExpressions { answers[name] = evaluate(expression, request, execution) }
    return .ok(userExpressions: answers)
  }

  private func execute(
    _ source: CellSource, _ request: CellRequest, _ execution: Execution,
    _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> CellError? {
    let label = "In[\(request.executionCount)]"
    // The host may die between planning and running, by another shell's cell: what was compiled for it is of no use
    // then, and a new plan is made for the new host.
    for _ in 0..<3 {
      if let failure = reviveHost(execution, events) { return failure }
      var (record, generation) = plan(source, request.executionCount, key: request.cellID ?? request.code)
      let compiled: CompiledCell
      var times = CellTimes()
      do {
        let began = ContinuousClock.now
        compiled = try compile(source, request, label: label, execution, &record, &generation)
        times.compile = ContinuousClock.now - began
      } catch {
        return Traceback.error(for: error)
      }
      if let notice = compiler.takeNotice() { events(.stream(.stderr, notice)) }
      state.withLock { state in
        state.origins = state.origins.filter { $0.value.label != label }
        state.origins[record.module] = Traceback.Origin(label: label, source: source.original)
      }
      let clock = state.withLock { $0.link }.map { ProcessClock(pid: $0.pid) }
      let (began, used) = (ContinuousClock.now, clock?.now)
      if !compiled.warnings.isEmpty { events(.stream(.stderr, Traceback.text(compiled.warnings))) }
      let (ending, variables) = run(
        compiled, execution, wantsResult: !request.silent, allowStdin: request.allowStdin, record: record,
        generation: generation, events)
      if case .notStarted = ending { continue }
      times.run = ContinuousClock.now - began
      if let used, let now = clock?.now { times.cpu = now - used }
      request.measure?(times)
      if let reached = ending.reached(of: source.stepCount) {
        state.withLock { state in
          guard state.generation == generation else { return }
          record.enter(into: &state.ledger, reached: reached, isComplete: ending.isComplete)
          state.ledger.held.note(record.module, variables.stored)
          state.ledger.held.note(released: variables.released)
        }
      }
      return error(for: ending, wasInterrupted: execution.isInterrupted)
    }
    return Traceback.plain("HostDied", "the process that runs cells died again and again before the cell could run")
  }

  /// Compiles a cell with the imports that it seems to need. Where that fails, all of the session is put in its sight
  /// before an error is told.
  private func compile(
    _ source: CellSource, _ request: CellRequest, label: String, _ execution: Execution, _ record: inout LedgerRecord,
    _ generation: inout Int
  ) throws -> CompiledCell {
    func attempt() throws -> CompiledCell {
      let compiled = try compiler.compile(
        source, module: record.module, label: label, header: record.plan.header, optimized: request.isOptimized,
        tools: execution.tools)
      record.interface = compiled.interface
      return compiled
    }
    var failure: CompileFailure
    do { return try attempt() } catch let error as CompileFailure { failure = error }
    guard !source.hasErrors, ledger.mayMend(failure) else { throw failure.withoutImports }
    var isForOthers = failure.asksForVisibleImports
    while true {
      let tried = record.plan.header
      (record, generation) = plan(
        source, request.executionCount, key: record.key, reach: .all, isForOthers: isForOthers)
      if record.plan.header == tried { break }
      log.debug("compiled again with all imports", metadata: ["module": "\(record.module)", "after": "\(failure)"])
      do { return try attempt() } catch let error as CompileFailure { failure = .ofOneFile(failure, error) }
      guard !isForOthers, failure.asksForVisibleImports else { break }
      isForOthers = true
    }
    throw failure.withoutImports
  }

  /// What the cell has to import, from the cells that ran and from those that are running: of the latter, what they
  /// have declared by now.
  private func plan(
    _ source: CellSource, _ count: Int, key: String, reach: ModuleLedger.Reach = .chosen, isForOthers: Bool = false
  ) -> (LedgerRecord, Int) {
    // Of a host that is too busy to answer, nothing is seen but what ended.
    let (link, others) = state.withLock { ($0.link, $0.active.filter { $0.record != nil }) }
    // What they would release may be used by this cell.
    for run in others where run.record?.releases.isEmpty == false { link?.send(.keep(run: run.id)) }
    let reached = others.isEmpty ? [:] : progress(within: 2) ?? [:]
    return state.withLock { state in
      var ledger = state.ledger
      for run in state.active {
        if let steps = reached[run.id], steps >= 0 { run.record?.enter(into: &ledger, reached: steps) }
      }
      let plan = ledger.plan(for: source.names, key: key, reach: reach, isForOthers: isForOthers)
      let serial = state.nextModule
      state.nextModule += 1
      state.modules[count, default: 0] += 1
      let module = CellModule.name(count, run: state.modules[count] ?? 1)
      var record = LedgerRecord(module: module, serial: serial, names: source.names, key: key, plan: plan)
      let mayRelease =
        !ledger.held.older.isEmpty || source.names.declarations.contains { ledger.names[$0.name] != nil }
      if mayRelease, state.executions.count <= 1 {
        var after = ledger
        record.enter(into: &after, reached: .max, isComplete: true)
        record.releases = ledger.releases(of: source.names, after: after)
      }
      record.ledgerSize = ledger.entries.count
      return (record, state.generation)
    }
  }

  /// How far the runs of the host have come, -1 for those that are being loaded; `nil` when it doesn't answer.
  func progress(within seconds: Double) -> [UInt64: Int]? {
    let question = ProgressQuestion()
    let asked = state.withLock { state -> (HostLink, UInt64)? in
      guard let link = state.link else { return nil }
      let number = state.nextRun
      state.nextRun += 1
      state.progress[number] = question
      return (link, number)
    }
    guard let (link, number) = asked else { return [:] }
    link.send(.progress(number))
    defer { state.withLock { $0.progress[number] = nil } }
    return question.take(seconds: seconds)
  }

  /// One entry of `user_expressions`: a cell of its own whose result is kept instead of shown.
  private func evaluate(_ expression: String, _ request: CellRequest, _ execution: Execution) -> ExpressionOutcome {
    let kept = Mutex<MIMEBundle?>(nil)
    var inner = request
    inner.code = expression
    inner.silent = false
    inner.allowStdin = false
    inner.cellID = "user expression"
    inner.measure = nil
    let source = CellSource(expression)
    let error = execute(source, inner, execution) { event in
      if case .result(let bundle) = event { kept.withLock { $0 = bundle } }
    }
    if let error { return .error(error) }
    return .ok(kept.withLock { $0 } ?? MIMEBundle(plainText: ""))
  }

  // MARK: Runs

  /// Hands a compiled cell to the host and waits for its end.
  /// - Parameters:
  ///   - record: what the cell adds to the ledger, so that cells which start meanwhile can see it.
  ///   - generation: the host that it was compiled for; `nil` for any.
  ///   - comm: a message for a handler of the session, in place of a cell.
  ///   - releases: values to release, in place of a cell.
  /// - Returns: how it ended, and what the host said of its variables.
  func run(
    _ cell: CompiledCell, _ execution: Execution, wantsResult: Bool, allowStdin: Bool, record: LedgerRecord? = nil,
    generation: Int? = nil, comm: CommMessage? = nil, releases: [Release] = [],
    _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> (ending: Ending, variables: (stored: [StoredVariable], released: [Release])) {
    let started = state.withLock { state -> (ActiveRun, HostLink, [Release])? in
      guard let link = state.link, generation == nil || generation == state.generation else { return nil }
      var record = record
      // Another shell's cell may use what was free when this one was planned.
      if state.executions.count > 1 || record?.ledgerSize != state.ledger.entries.count { record?.releases = [] }
      let active = ActiveRun(
        id: state.nextRun, generation: state.generation, execution: execution, record: record, events: events)
      state.nextRun += 1
      // Interrupted between the compiler's end and now; from here on an interrupt finds the run.
      if execution.isInterrupted, record != nil { return nil }
      state.active.append(active)
      return (active, link, (record?.releases ?? []) + releases)
    }
    if started == nil, execution.isInterrupted { return (.told(.interrupted(frames: [], reached: 0)), ([], [])) }
    guard let (active, link, releases) = started else { return (.notStarted, ([], [])) }
    let began = ContinuousClock.now
    link.send(
      .run(
        CellRun(
          id: active.id, library: cell.library, entry: cell.entry, allowStdin: allowStdin, wantsResult: wantsResult,
          hasOwnOutput: execution.isSubshell, module: cell.module, replaced: record?.plan.replaced ?? [],
          catchesErrors: cell.catchesErrors, comm: comm, releases: releases)))
    let ending = active.wait()
    state.withLock { state in
      state.active.removeAll { $0 === active }
      state.over.add(active)
    }
    log.debug("ran", metadata: ["module": "\(cell.module)", "run": "\(ContinuousClock.now - began)"])
    return (ending, active.variables.withLock { $0 })
  }

  func error(for ending: Ending, wasInterrupted: Bool) -> CellError? {
    switch ending {
    case .told(let outcome):
      let origins = state.withLock { $0.origins }
      return Traceback(origins: origins, environment: environment)
        .error(for: outcome, wasInterrupted: wasInterrupted)
    case .fatal(let trap, let lost):
      let origins = state.withLock { $0.origins }
      var error = Traceback(origins: origins, environment: environment).error(for: trap)
      error.traceback.append("The process that runs cells can't go on after this; a new one is started. \(lost)")
      return error
    case .died(let status, let signal, let lost):
      let how =
        signal == 0
        ? "ended with status \(status)" : "was killed by \(SignalName.of(signal))"
      let hint = signal == SIGKILL ? ["Where nobody killed it on purpose, memory has run out."] : []
      return Traceback.plain(
        "HostDied", "the process that runs cells \(how)",
        lines: hint + ["A new one is started; the kernel goes on. \(lost)"])
    case .stuck(let why, let lost):
      return Traceback.plain(
        "HostStuck", "the process that runs cells can't go on: \(why)", lines: ["A new one is started. \(lost)"])
    case .diedOfAnother(let lost):
      return Traceback.plain(
        "HostDied", "another cell damaged the process that runs cells",
        lines: ["A new one is started; the kernel goes on. \(lost)"])
    case .notStarted:
      return Traceback.plain("HostDied", "the process that runs cells was gone before the cell could run")
    }
  }
}
