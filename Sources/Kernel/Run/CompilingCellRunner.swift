import Foundation
import HostProtocol
package import Logging
package import NotebookDisplay
import Synchronization

/// Compiles each cell to a shared object and runs it in the cell host, a child process.
///
/// A shell's cells run one after another, those of different shells beside one another. The compiler is never in the
/// child and user code never in this process: what a cell can break is the child, which is then replaced.
package final class CompilingCellRunner: CellRunner {
  struct State {
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
    /// How many modules had each number.
    var modules: [Int: Int] = [:]
    /// Requests on their way, and runs that the host works on; both in the order in which they began.
    var executions: [Execution] = []
    var active: [ActiveRun] = []
    /// The newest runs that are over: what their threads still print is theirs.
    var over = OverRuns()
    var progress: [UInt64: ProgressQuestion] = [:]
    var surroundings: [UInt64: SurroundingsQuestion] = [:]
    /// Targets of the open comms, by their ids.
    var comms: [String: String] = [:]
    var origins: [String: Traceback.Origin] = [:]
    /// Takes what comes while no cell runs: output of threads that outlive theirs goes where the last cell's went.
    var latest: (@Sendable (CellEvent) -> Void)?
    /// Told to the user with the next cell: a host that died while idle.
    var notices = ""
    var isShutDown = false
    /// How often completion was asked to load what is new.
    var warmUps = 0
  }

  let environment: CellEnvironment
  let log: Logger
  let state = Mutex(State())
  /// Held while a host is started in place of one that died.
  let reviving = Mutex<Void>(())
  private let folder: SessionFolder
  package let compiler: CellCompiler
  let warm = DispatchGroup()
  private let completion: Completion
  private let completesCode: Bool

  /// - Parameter completesCode: whether completion is loaded beside the cells.
  package init(
    configuration: CellEnvironment, log: Logger = Logger(label: "icl.cells"), completesCode: Bool = true
  ) throws {
    self.completesCode = completesCode
    environment = configuration
    self.log = log
    guard let sessions = configuration.folders.sessions else { throw configuration.folders.sessionsFailure }
    folder = try SessionFolder(in: sessions)
    compiler = try CellCompiler(environment: configuration, folder: folder.path, log: log)
    completion = Completion(
      toolchain: configuration.toolchain, folder: folder.path, flags: { [compiler] in compiler.completionFlags },
      log: log)
  }

  package var sessionFolder: String { folder.path }

  // MARK: Start and end

  package func start() throws {
    try startHost()
    warm.enter()
    Thread.detachNewThread {
      self.preparePrelude()
      self.warm.leave()
      if self.completesCode { self.completion.warmUp(self.ledger) }
    }
  }

  package func shutdown() {
    let (link, executions) = state.withLock { state -> (HostLink?, [Execution]) in
      guard !state.isShutDown else { return (nil, []) }
      state.isShutDown = true
      return (state.link, state.executions)
    }
    for execution in executions { execution.tools.cancel() }
    compiler.close()
    link?.endSession()
    folder.remove()
  }

  func startHost() throws {
    let generation = state.withLock { state in
      state.generation += 1
      return state.generation
    }
    let link = try HostLink(environment: environment, folder: folder.path, log: log) { [weak self] event in
      self?.receive(event, generation: generation)
    }
    let isAlone = state.withLock { state in
      state.link = link
      return state.executions.count <= 1
    }
    // Of cells that ran in an earlier host nothing is left that anyone could use.
    if generation > 1, isAlone { folder.removeCells() }
  }

  /// Compiles the prelude and runs it in the first host.
  private func preparePrelude() {
    let source = CellSource(environment.prelude)
    let execution = Execution(isSubshell: false, guardian: environment.guardian)
    state.withLock { $0.executions.append(execution) }
    defer { state.withLock { state in state.executions.removeAll { $0 === execution } } }
    let base = ["import CellSupport", "import NotebookDisplay"]
    let empty = ModuleLedger(imports: base)
    do {
      var ledger = empty
      let plan = ledger.plan(for: source.names, key: "prelude")
      let compiled = try compiler.compile(
        source, module: CellModule.prelude, label: "prelude", header: plan.header, tools: execution.tools)
      let (ending, _) = run(compiled, execution, wantsResult: false, allowStdin: false) { _ in }
      let failure = error(for: ending, wasInterrupted: execution.isInterrupted)
      let reached = ending.reached(of: source.stepCount) ?? 0
      ledger.record(
        CellModule.prelude, names: source.names, key: "prelude", plan: plan, interface: compiled.interface,
        reached: reached)
      ledger.held.permanent = [CellModule.prelude]
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

  // MARK: Interrupt

  /// Stops the cells of all shells, as JEP 91 asks.
  package func interrupt() {
    let (link, asked) = state.withLock { state in
      // Noted inside the lock: what begins to run from now on sees it.
      (
        state.link,
        state.executions.map { execution in
          (execution.interrupt(), state.active.first { $0.execution === execution })
        }
      )
    }
    for (count, run) in asked {
      guard let run, let link else { continue }
      if count >= 3 {
        run.stuck.withLock { $0 = "the cell went on after three interrupts" }
        link.terminate()
      } else {
        link.send(.interrupt(run: run.id))
      }
      if count == 1 { Thread.detachNewThread { self.followInterrupt(of: run, link) } }
    }
  }

  /// A host that can't even load a cell, or doesn't answer, would keep every later cell waiting: a thread that was
  /// stopped earlier holds what it needs. It is replaced. A cell that merely takes its time is left alone.
  private func followInterrupt(of run: ActiveRun, _ link: HostLink) {
    let deadline = ContinuousClock.now + .seconds(8)
    while !run.isOver, .now < deadline { Thread.sleep(forTimeInterval: 0.05) }
    if run.isOver { return }
    let reached = progress(within: 15)
    if reached == nil {
      run.stuck.withLock { $0 = "it doesn't answer" }
    } else if reached?[run.id] == -1 {
      run.stuck.withLock { $0 = "a thread that was stopped holds a lock which loading a cell needs" }
    } else {
      return
    }
    link.terminate()
  }

  // MARK: Help while typing

  package func complete(code: String, cursor: Int) -> CompletionAnswer {
    completion.complete(code: code, cursor: cursor, ledger: ledger)
  }

  package func inspect(code: String, cursor: Int, detailLevel: Int) -> MIMEBundle? {
    completion.inspect(code: code, cursor: cursor, detailLevel: detailLevel, ledger: ledger)
  }

  /// What cells declared and still have, by name.
  package var declared: [(name: String, kind: String, cell: String)] {
    state.withLock { state in
      state.ledger.declared.map { ($0.name, $0.kind, state.origins[$0.module]?.label ?? "prelude") }
    }
  }

  /// The types of variables and functions, as far as they can be told.
  package func types(of names: [String]) -> [String: String] {
    completion.types(of: names, ledger: ledger)
  }

  /// Forgets everything but the prelude: the next cell starts a new host.
  /// - Returns: the names that are gone.
  package func reset() -> [String] {
    let (link, active, lost) = state.withLock { state -> (HostLink?, [ActiveRun], [String]) in
      defer {
        state.link = nil
        // What the old host still has to say is nobody's.
        state.generation += 1
        state.ledger = state.freshLedger
        state.comms = [:]
        state.notices = ""
      }
      let kept = Set(state.freshLedger.declared.map(\.name))
      return (state.link, state.active, state.ledger.declared.map(\.name).filter { !kept.contains($0) })
    }
    compiler.languageMode = .standard
    link?.send(.shutdown)
    link?.terminate()
    for run in active { run.end(.diedOfAnother(lost: "Another shell asked for that by %reset.")) }
    return lost
  }

  var ledger: ModuleLedger { state.withLock { $0.ledger } }

  /// Has completion load what a cell has left, once no cell has run for a moment: the user's first question then waits
  /// for none of it, and cells that follow one another wait for no completion.
  func warmCompletion() {
    guard completesCode else { return }
    let turn = state.withLock { state in
      state.warmUps += 1
      return state.warmUps
    }
    DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + .milliseconds(60)) { [weak self] in
      guard let self else { return }
      let isWanted = state.withLock { $0.warmUps == turn && $0.executions.isEmpty && !$0.isShutDown }
      if isWanted { completion.warmUp(ledger) }
    }
  }

  package func completeness(of code: String) -> Completeness { .of(code) }
}
