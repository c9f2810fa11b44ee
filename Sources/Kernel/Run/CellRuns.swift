import Foundation
import HostProtocol
import Synchronization

/// How a run ended for the kernel: as the host told, or by the host's own end.
enum Ending: Sendable {
  case told(RunOutcome)
  case died(status: Int32, signal: Int32, lost: String)
  /// The host said what went wrong before it ended itself.
  case fatal(Trap, lost: String)
  /// The host could neither stop the cell nor go on, and was ended.
  case stuck(String, lost: String)
  /// The host ended by what another shell's cell did.
  case diedOfAnother(lost: String)
  /// The host for which the cell was compiled was gone before it could run there.
  case notStarted

  /// Steps of the cell's top level that were done; `nil` when nothing of the cell is there.
  func reached(of steps: Int) -> Int? {
    guard case .told(let outcome) = self else { return nil }
    switch outcome {
    case .completed: return steps
    case .left(let reached), .threw(_, _, _, let reached), .interrupted(_, let reached), .exited(_, let reached),
      .inputRefused(let reached):
      return reached
    case .trapped(let trap): return trap.isFatalToHost ? nil : trap.reached
    case .notLoaded: return nil
    }
  }
}

extension Ending {
  /// The cell came to its end.
  var isComplete: Bool { if case .told(.completed) = self { true } else { false } }
}

/// One request on its way: waiting for the prelude, being compiled, or run by the host.
final class Execution: Sendable {
  /// The compiler and linker of this request alone: an interrupt ends them.
  let tools: ToolRunner
  /// Of a subshell: what it prints is told apart from what the main shell's cell prints.
  let isSubshell: Bool
  private let interrupts = Mutex((count: 0, last: ContinuousClock.now))

  init(isSubshell: Bool, guardian: String) {
    self.isSubshell = isSubshell
    tools = ToolRunner(guardian: guardian)
  }

  var isInterrupted: Bool { interrupts.withLock { $0.count > 0 } }

  /// Interrupts that come closer together are one: a held key, or a client that asks twice, is no sign that what runs
  /// doesn't heed them.
  private static let burst = Duration.milliseconds(200)

  /// Notes an interrupt and stops the compiler.
  /// - Returns: how many there were; 0 for one that belongs to the last one's burst.
  func interrupt() -> Int {
    tools.cancel()
    return interrupts.withLock { noted in
      let now = ContinuousClock.now
      if noted.count > 0, now - noted.last < Self.burst { return 0 }
      noted = (noted.count + 1, now)
      return noted.count
    }
  }
}

/// A run that the host works on.
final class ActiveRun: Sendable {
  let id: UInt64
  /// The number of its host.
  let generation: Int
  let execution: Execution
  let events: @Sendable (CellEvent) -> Void
  /// What the cell adds to the ledger: cells that start meanwhile see it as far as it is there.
  let record: LedgerRecord?
  /// A trap that the host doesn't outlive: the run is over when the host is gone.
  let fatal = Mutex<Trap?>(nil)
  /// Why the host is being ended although the cell still runs.
  let stuck = Mutex<String?>(nil)
  /// What the host said of the cell's variables.
  let variables = Mutex<(stored: [StoredVariable], released: [Release])>(([], []))
  private let decoders = Mutex((out: OutputDecoder(), error: OutputDecoder()))
  private let ending = Mutex<Ending?>(nil)
  private let done = DispatchSemaphore(value: 0)

  init(
    id: UInt64, generation: Int, execution: Execution, record: LedgerRecord?,
    events: @escaping @Sendable (CellEvent) -> Void
  ) {
    self.id = id
    self.generation = generation
    self.execution = execution
    self.record = record
    self.events = events
  }

  /// Hands on what a run with streams of its own printed; characters that are cut in two wait for their rest.
  func print(_ bytes: Data, isError: Bool) {
    let text = decoders.withLock { isError ? $0.error.decode(bytes) : $0.out.decode(bytes) }
    if !text.isEmpty { events(.stream(isError ? .stderr : .stdout, text)) }
  }

  var isOver: Bool { ending.withLock { $0 != nil } }

  /// The first caller decides.
  func end(_ value: Ending) {
    let isFirst = ending.withLock { ending in
      defer { if ending == nil { ending = value } }
      return ending == nil
    }
    guard isFirst else { return }
    let (out, error) = decoders.withLock { ($0.out.finish(), $0.error.finish()) }
    if !out.isEmpty { events(.stream(.stdout, out)) }
    if !error.isEmpty { events(.stream(.stderr, error)) }
    done.signal()
  }

  func wait() -> Ending {
    done.wait()
    return ending.withLock { $0 } ?? .told(.completed)
  }
}

/// Runs that are over, as many as can still matter: a thread that was left behind by an older one prints where the text
/// of no run goes.
struct OverRuns: Sendable {
  private static let limit = 1000
  private var runs: [UInt64: ActiveRun] = [:]
  private var order: [UInt64] = []

  subscript(id: UInt64) -> ActiveRun? { runs[id] }

  mutating func add(_ run: ActiveRun) {
    runs[run.id] = run
    order.append(run.id)
    guard order.count > 2 * Self.limit else { return }
    for id in order.prefix(Self.limit) { runs[id] = nil }
    order.removeFirst(Self.limit)
  }
}

/// What a cell adds to the ledger once it runs.
struct LedgerRecord: Sendable {
  var module: String
  /// Place among all cells of the session, in the order in which they were begun.
  var serial: Int
  var names: DeclaredNames
  var key: String
  var plan: ModuleLedger.Plan
  /// Of the compiled module: see ``CompiledCell``.
  var interface: Set<String>?
  /// Values that nothing can reach once the cell has run, as far as could be told with so many cells in the ledger.
  var releases: [Release] = []
  var ledgerSize = 0

  func enter(into ledger: inout ModuleLedger, reached: Int, isComplete: Bool = false) {
    ledger.record(
      module, names: names, key: key, plan: plan, interface: interface, reached: reached, serial: serial,
      isComplete: isComplete)
  }
}
