import Synchronization

/// The cooperative stop: a host raises it when the user interrupts, long work looks at it between steps.
public enum Interruption {
  private static let raised = Atomic<Bool>(false)

  /// Says whether the caller's work in particular is to stop, where a host runs several pieces of work at a time.
  ///
  /// In a structure, since a bare closure is wrapped anew whenever generic code as the mutex's hands it on: each check
  /// would leave it a call deeper than it was.
  private struct Host: Sendable {
    let isRequestedHere: @Sendable () -> Bool
  }
  private static let host = Mutex<Host?>(nil)

  /// Installs the host's own answer, which every check asks beside the process-wide request.
  public static func install(_ isRequestedHere: @escaping @Sendable () -> Bool) {
    host.withLock { $0 = Host(isRequestedHere: isRequestedHere) }
  }

  /// Asks running engine work to stop at its next check.
  public static func request() { raised.store(true, ordering: .releasing) }

  /// Forgets an earlier request. The host calls it before each cell.
  public static func reset() { raised.store(false, ordering: .releasing) }

  public static var isRequested: Bool {
    raised.load(ordering: .acquiring) || Task.isCancelled || host.withLock { $0 }?.isRequestedHere() == true
      || allowance?.isSpent == true
  }

  /// Throws `EngineError.Code.interrupted` when a stop was asked for. Cheap: call it once per layer or step.
  public static func check() throws(EngineError) {
    allowance?.spend()
    if isRequested { throw EngineError(.interrupted, "interrupted; what was complete is kept") }
  }

  /// How many checks may still pass before a stop: for tests that stop work in the middle of something.
  @TaskLocal package static var allowance: Allowance?

  package final class Allowance: Sendable {
    private let left: Atomic<Int>
    package init(checks: Int) { left = Atomic(checks) }
    var isSpent: Bool { left.load(ordering: .relaxed) < 0 }
    func spend() { left.subtract(1, ordering: .relaxed) }
  }
}
