import Foundation
import HostProtocol
package import Logging
package import NotebookDisplay
import Synchronization

/// Compiles each cell to a shared object and runs it in the cell host, a child process.
///
/// Cells run one after another. The compiler is never in the child and user code never in this process: what a cell
/// can break is the child, which is then replaced.
package final class CompilingCellRunner: CellRunner {
  private struct State {
    var ledger = ModuleLedger()
    /// The ledger after the prelude alone, for a new host.
    var freshLedger = ModuleLedger()
    var prelude: CompiledCell?
    var preludeFailure: CellError?
    var link: HostLink?
    /// Number of the host in use; events of earlier ones are ignored.
    var generation = 0
    var nextRun: UInt64 = 1
    var nextModule = 1
    var active: ActiveRun?
    var interrupts = 0
    var isExecuting = false
    var origins: [String: Traceback.Origin] = [:]
    /// Told to the user with the next cell: a host that died while idle, output that came between cells.
    var notices = ""
    var isShutDown = false
  }

  private let environment: CellEnvironment
  private let log: Logger
  private let state = Mutex(State())
  private let executing = Mutex<Void>(())
  private let folder: SessionFolder
  package let compiler: CellCompiler
  private let warm = DispatchGroup()
  private let completion: Completion

  package init(configuration: CellEnvironment, log: Logger = Logger(label: "icl.cells")) throws {
    environment = configuration
    self.log = log
    folder = try SessionFolder(in: configuration.sessions)
    compiler = try CellCompiler(environment: configuration, folder: folder.path, log: log)
    completion = Completion(
      toolchain: configuration.toolchain, folder: folder.path, flags: compiler.completionFlags, log: log)
  }

  package var sessionFolder: String { folder.path }

  // MARK: Start and end

  package func start() throws {
    try startHost()
    warm.enter()
    Thread.detachNewThread {
      self.preparePrelude()
      self.warm.leave()
      self.completion.warmUp(header: self.header(for: ""))
    }
  }

  package func shutdown() {
    let link = state.withLock { state -> HostLink? in
      guard !state.isShutDown else { return nil }
      state.isShutDown = true
      return state.link
    }
    compiler.cancel()
    link?.send(.shutdown)
    link?.terminate()
    folder.remove()
  }

  private func startHost() throws {
    let generation = state.withLock { state in
      state.generation += 1
      return state.generation
    }
    let link = try HostLink(executable: environment.host, log: log) { [weak self] event in
      self?.receive(event, generation: generation)
    }
    state.withLock { $0.link = link }
  }

  /// Compiles the prelude and runs it in the first host.
  private func preparePrelude() {
    let source = CellSource(environment.prelude)
    let base = ["import CellSupport", "import NotebookDisplay"]
    let empty = ModuleLedger(imports: base)
    do {
      var ledger = empty
      let plan = ledger.plan(for: source.names, key: "prelude")
      let compiled = try compiler.compile(source, module: "Prelude", label: "prelude", header: plan.header)
      let ending = run(compiled, wantsResult: false, allowStdin: false) { _ in }
      let failure = error(for: ending)
      let reached = ending.reached(of: source.stepCount) ?? 0
      ledger.record("Prelude", names: source.names, key: "prelude", plan: plan, reached: reached)
      let recorded = ledger
      state.withLock {
        $0.prelude = compiled
        $0.ledger = recorded
        $0.freshLedger = recorded
        $0.preludeFailure = failure
      }
    } catch {
      let failure = Traceback.error(for: error)
      if state.withLock({ $0.isShutDown }) { return }
      log.error("the prelude failed", metadata: ["error": "\(failure.value)"])
      state.withLock {
        $0.preludeFailure = failure
        $0.ledger = empty
        $0.freshLedger = empty
      }
    }
  }

  // MARK: Execute

  package func execute(_ request: CellRequest, events: @escaping @Sendable (CellEvent) -> Void) -> CellOutcome {
    executing.withLock { _ in
      warm.wait()
      compiler.reset()
      state.withLock {
        $0.interrupts = 0
        $0.isExecuting = true
      }
      defer { state.withLock { $0.isExecuting = false } }
      if let failure = reviveHost(events) { return .error(failure) }
      if let failure = state.withLock({ state in
        defer { state.preludeFailure = nil }
        return state.preludeFailure
      }) {
        events(.stream(.stderr, "The prelude failed, and what it declares is missing.\n"))
        events(.stream(.stderr, failure.traceback.joined(separator: "\n") + "\n"))
      }
      let source = CellSource(request.code)
      if !source.isEmpty, let error = execute(source, request, events) { return .error(error) }
      var answers: [String: ExpressionOutcome] = [:]
      for (name, expression) in request.userExpressions { answers[name] = evaluate(expression, request) }
      return .ok(userExpressions: answers)
    }
  }

  private func execute(
    _ source: CellSource, _ request: CellRequest, _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> CellError? {
    let key = request.cellID ?? request.code
    let (plan, module) = state.withLock { state in
      defer { state.nextModule += 1 }
      return (state.ledger.plan(for: source.names, key: key), "Cell\(state.nextModule)")
    }
    let label = "Cell[\(request.executionCount)]"
    let compiled: CompiledCell
    do {
      compiled = try compiler.compile(source, module: module, label: label, header: plan.header)
    } catch {
      return Traceback.error(for: error)
    }
    state.withLock { state in
      state.origins = state.origins.filter { $0.value.label != label }
      state.origins[module] = Traceback.Origin(label: label, source: source.original)
    }
    let outcome = run(
      compiled, wantsResult: !request.silent, allowStdin: request.allowStdin, replaced: plan.replaced, events)
    if let reached = outcome.reached(of: source.stepCount) {
      state.withLock { $0.ledger.record(module, names: source.names, key: key, plan: plan, reached: reached) }
    }
    return error(for: outcome)
  }

  /// One entry of `user_expressions`: a cell of its own whose result is kept instead of shown.
  private func evaluate(_ expression: String, _ request: CellRequest) -> ExpressionOutcome {
    let kept = Mutex<MIMEBundle?>(nil)
    var inner = request
    inner.code = expression
    inner.silent = false
    inner.allowStdin = false
    inner.cellID = "user expression"
    let source = CellSource(expression)
    let error = execute(source, inner) { event in
      if case .result(let bundle) = event { kept.withLock { $0 = bundle } }
    }
    if let error { return .error(error) }
    return .ok(kept.withLock { $0 } ?? MIMEBundle(plainText: ""))
  }

  // MARK: Runs

  /// How a run ended for the kernel: as the host told, or by the host's own end.
  fileprivate enum Ending: Sendable {
    case told(RunOutcome)
    case died(status: Int32, signal: Int32, lost: String)
    /// The host said what went wrong before it ended itself.
    case fatal(Trap, lost: String)

    /// Steps of the cell's top level that were done; `nil` when nothing of the cell is there.
    func reached(of steps: Int) -> Int? {
      guard case .told(let outcome) = self else { return nil }
      switch outcome {
      case .completed: return steps
      case .threw(_, _, let reached), .interrupted(_, let reached), .exited(_, let reached), .inputRefused(let reached):
        return reached
      case .trapped(let trap): return trap.isFatalToHost ? nil : trap.reached
      case .notLoaded: return nil
      }
    }
  }

  /// The run that the host works on.
  private final class ActiveRun: Sendable {
    let id: UInt64
    let events: @Sendable (CellEvent) -> Void
    /// A trap that the host doesn't outlive: the run is over when the host is gone.
    let fatal = Mutex<Trap?>(nil)
    private let ending = Mutex<Ending?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(id: UInt64, events: @escaping @Sendable (CellEvent) -> Void) {
      self.id = id
      self.events = events
    }

    func end(_ value: Ending) {
      let isFirst = ending.withLock { ending in
        defer { if ending == nil { ending = value } }
        return ending == nil
      }
      if isFirst { done.signal() }
    }

    func wait() -> Ending {
      done.wait()
      return ending.withLock { $0 } ?? .told(.completed)
    }
  }

  private func run(
    _ cell: CompiledCell, wantsResult: Bool, allowStdin: Bool, replaced: [String] = [],
    _ events: @escaping @Sendable (CellEvent) -> Void
  ) -> Ending {
    let (active, link) = state.withLock { state -> (ActiveRun, HostLink?) in
      let active = ActiveRun(id: state.nextRun, events: events)
      state.nextRun += 1
      state.active = active
      return (active, state.link)
    }
    let started = ContinuousClock.now
    if let link {
      link.send(
        .run(
          CellRun(
            id: active.id, library: cell.library, entry: cell.entry, allowStdin: allowStdin,
            wantsResult: wantsResult, module: cell.module, replaced: replaced)))
    } else {
      active.end(.died(status: -1, signal: 0, lost: ""))
    }
    let ending = active.wait()
    state.withLock { if $0.active === active { $0.active = nil } }
    log.debug("ran", metadata: ["module": "\(cell.module)", "run": "\(ContinuousClock.now - started)"])
    return ending
  }

  private func error(for ending: Ending) -> CellError? {
    switch ending {
    case .told(let outcome):
      let (origins, interrupted) = state.withLock { ($0.origins, $0.interrupts > 0) }
      return Traceback(origins: origins, toolchain: environment.toolchain)
        .error(for: outcome, wasInterrupted: interrupted)
    case .fatal(let trap, let lost):
      let origins = state.withLock { $0.origins }
      var error = Traceback(origins: origins, toolchain: environment.toolchain).error(for: trap)
      error.traceback.append("The process that runs cells can't go on after this; a new one is started. \(lost)")
      return error
    case .died(let status, let signal, let lost):
      let how =
        signal == 0
        ? "ended with status \(status)" : "was ended by \(Traceback.signalName(Int(signal))) (signal \(signal))"
      let hint = signal == SIGKILL ? ["Where nobody killed it on purpose, memory has run out."] : []
      return Traceback.plain(
        "HostDied", "the process that runs cells \(how)",
        lines: hint + ["A new one is started; the kernel goes on. \(lost)"])
    }
  }

  /// Everything that comes from a host, on its link's thread.
  private func receive(_ event: HostLink.Event, generation: Int) {
    let (active, link, isCurrent) = state.withLock { ($0.active, $0.link, $0.generation == generation) }
    guard isCurrent else { return }
    switch event {
    case .stream(let name, let text):
      if let active { active.events(.stream(name, text)) } else { keep(text) }
    case .message(.ready): break
    case .message(.display(let bundle, let id, let update, let number)):
      active?.events(.display(bundle, id: id, update: update))
      link?.send(.acknowledge(number))
    case .message(.clearOutput(let wait, let number)):
      active?.events(.clearOutput(wait: wait))
      link?.send(.acknowledge(number))
    case .message(.result(let run, let bundle, let number)):
      if let active, active.id == run { active.events(.result(bundle)) }
      link?.send(.acknowledge(number))
    case .message(.inputRequest(let run, let prompt)):
      active?.events(
        .inputRequest(prompt: prompt, password: false) { line in link?.send(.inputReply(run: run, line: line)) })
    case .message(.finished(let run, let outcome)):
      guard let active, active.id == run else { break }
      if case .trapped(let trap) = outcome, trap.isFatalToHost {
        active.fatal.withLock { $0 = trap }
        link?.terminate()
      } else {
        active.end(.told(outcome))
      }
    case .message(.backgroundTrap(let trap)):
      let origins = state.withLock { $0.origins }
      let error = Traceback(origins: origins, toolchain: environment.toolchain).error(for: trap)
      let text = "Work left over from an earlier cell stopped:\n" + error.traceback.joined(separator: "\n") + "\n"
      if let active { active.events(.stream(.stderr, text)) } else { keep(text) }
    case .died(let status, let signal): hostDied(status: status, signal: signal)
    }
  }

  /// Holds text that no running cell can take until the next one starts. A flood is cut: nobody reads it.
  private func keep(_ text: String) {
    state.withLock { if $0.notices.utf8.count < 1 << 20 { $0.notices += text } }
  }

  private func hostDied(status: Int32, signal: Int32) {
    let active = state.withLock { state -> ActiveRun? in
      let names = state.ledger.declared.map(\.name)
      let fresh = Set(state.freshLedger.declared.map(\.name))
      let lost = names.filter { !fresh.contains($0) }
      let text =
        lost.isEmpty
        ? "Nothing that cells had declared was lost."
        : "Lost: \(lost.prefix(40).joined(separator: ", "))\(lost.count > 40 ? ", … (\(lost.count) names)" : "")."
      state.link = nil
      state.ledger = state.freshLedger
      if state.isShutDown { return state.active }
      if let active = state.active {
        let trap = active.fatal.withLock { $0 }
        active.end(
          trap.map { .fatal($0, lost: text) } ?? .died(status: status, signal: signal, lost: text))
      } else {
        let how = signal == 0 ? "ended with status \(status)" : "was ended by signal \(signal)"
        state.notices += "The process that runs cells \(how) between two cells; a new one was started. \(text)\n"
      }
      return nil
    }
    active?.end(.died(status: status, signal: signal, lost: ""))
    log.notice("host died", metadata: ["status": "\(status)", "signal": "\(signal)"])
  }

  /// Makes sure that a host runs, starting one in place of one that died, and tells what happened meanwhile.
  private func reviveHost(_ events: @escaping @Sendable (CellEvent) -> Void) -> CellError? {
    let (link, notices, prelude) = state.withLock { state in
      defer { state.notices = "" }
      return (state.link, state.notices, state.prelude)
    }
    if !notices.isEmpty { events(.stream(.stderr, notices)) }
    guard link == nil else { return nil }
    do {
      try startHost()
    } catch {
      return Traceback.plain("HostDied", "no new process for cells could be started: \(error)")
    }
    if let prelude { return error(for: run(prelude, wantsResult: false, allowStdin: false) { _ in }) }
    return nil
  }

  package func interrupt() {
    let (active, link, count, isExecuting) = state.withLock { state in
      state.interrupts += 1
      return (state.active, state.link, state.interrupts, state.isExecuting)
    }
    guard isExecuting else { return }
    compiler.cancel()
    guard let active else { return }
    // Asked three times and still running: the host can't be saved.
    if count >= 3 { link?.terminate() } else { link?.send(.interrupt(run: active.id)) }
  }

  // MARK: Help while typing

  package func complete(code: String, cursor: Int) -> CompletionAnswer {
    completion.complete(code: code, cursor: cursor, header: header(for: code))
  }

  package func inspect(code: String, cursor: Int, detailLevel: Int) -> MIMEBundle? {
    completion.inspect(code: code, cursor: cursor, detailLevel: detailLevel, header: header(for: code))
  }

  private func header(for code: String) -> [String] {
    state.withLock { $0.ledger }.completionHeader(for: code)
  }

  package func completeness(of code: String) -> Completeness { .of(code) }
}
