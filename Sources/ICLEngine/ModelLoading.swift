import Foundation
import Synchronization

/// A model that is being read in the background: several can be at once, and cells go on meanwhile.
///
///     let small = Engine.loading("tinyllama.gguf"), large = Engine.loading("llama-2-7b.Q4_0.gguf")
///     print(large.progress)
///     let engine = try large.engine()      // waits until it can be used
///
/// Reading a model touches its metadata and vocabulary alone, so even a large one is usable at once; its checksum, which
/// reports name and which reads everything, is worked out afterwards, also in the background.
public final class ModelLoading: Sendable {
  public let path: String

  /// How far a model is.
  public enum Progress: Sendable, Equatable {
    /// Metadata and vocabulary are being read.
    case reading
    /// The model can be used; so much of its checksum is done, 0 to 1.
    case usable(checksum: Double)
    case failed
  }

  private struct State {
    var result: Result<Engine, EngineError>?
    var isCancelled = false
  }

  /// Guards the state below; signalled when the result is there.
  private let condition = NSCondition()
  private let state = Mutex(State())

  fileprivate init(path: String) { self.path = path }

  fileprivate func start(checksum: Bool) {
    let thread = Thread { [self] in
      let result = Result { () throws(EngineError) in try Engine(model: path) }
      condition.lock()
      state.withLock { $0.result = result }
      condition.broadcast()
      condition.unlock()
      guard checksum, case .success(let engine) = result, let files = engine.model.files else { return }
      files.computeSHA256 { [self] in state.withLock { !$0.isCancelled } }
    }
    thread.name = "icl-loading"
    thread.qualityOfService = .background
    thread.start()
  }

  public var progress: Progress {
    switch state.withLock({ $0.result }) {
    case nil: .reading
    case .failure: .failed
    case .success(let engine): .usable(checksum: engine.model.files?.checksumShare ?? 1)
    }
  }

  /// The model; waits until it can be used, not for the checksum.
  /// - Throws: what reading threw; `interrupted` when the user interrupts the waiting, which lets the reading go on
  public func engine() throws(EngineError) -> Engine {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let result = state.withLock({ $0.result }) { return try result.get() }
      try Interruption.check()
      _ = condition.wait(until: Date(timeIntervalSinceNow: 0.1))
    }
  }

  /// Ends the work on the checksum; the model stays usable.
  public func cancel() { state.withLock { $0.isCancelled = true } }
}

extension Engine {
  /// Begins to read a model and returns at once.
  /// - Parameter checksum: whether the checksum is worked out afterwards, in the background
  public static func loading(_ path: String, checksum: Bool = true) -> ModelLoading {
    let loading = ModelLoading(path: path)
    loading.start(checksum: checksum)
    return loading
  }
}
