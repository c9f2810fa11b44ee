import Synchronization

/// The cooperative stop: a host raises it when the user interrupts, long work looks at it between steps.
public enum Interruption {
  private static let raised = Atomic<Bool>(false)

  /// Asks running engine work to stop at its next check.
  public static func request() { raised.store(true, ordering: .releasing) }

  /// Forgets an earlier request. The host calls it before each cell.
  public static func reset() { raised.store(false, ordering: .releasing) }

  public static var isRequested: Bool { raised.load(ordering: .acquiring) || Task.isCancelled }

  /// Throws `EngineError.Code.interrupted` when a stop was asked for. Cheap: call it once per layer or step.
  public static func check() throws(EngineError) {
    if isRequested { throw EngineError(.interrupted, "interrupted; what was complete is kept") }
  }
}
