/// One network, its optimizer and their count of updates: what tuning and growing have in common.
///
/// Not Sendable: used by one thread at a time.
package final class Trainer {
  package let network: TrainingNetwork
  package private(set) var completedSteps = 0
  /// Norm of all gradients in the last update, before clipping.
  package private(set) var gradientNorm: Float = 0
  private let pass: TrainingPass
  private let pool: ThreadPool

  /// - Parameter recomputes: whether blocks keep only what goes into them
  package init(
    _ network: TrainingNetwork, arithmetic: TrainingArithmetic, pool: ThreadPool, recomputes: Bool = false
  ) {
    self.network = network
    self.pool = pool
    pass = TrainingPass(network, arithmetic: arithmetic, pool: pool, recomputes: recomputes)
  }

  /// Bytes that passes work in, for the largest batch so far.
  package var workspaceBytes: Int { pass.space.byteCount }

  /// Sequences whose way through the frozen blocks below the lowest trained one was computed.
  package var frozenSequences: Int { pass.frozen.computed }

  /// Mean loss of a batch under the loss weights, in nats; nothing changes.
  /// - Throws: `interrupted`
  package func loss(_ batch: [TuningExample], dropoutSeed: UInt64? = nil) throws(EngineError) -> Float {
    let total = batch.totalWeight
    return Float(try pass(batch, totalWeight: total, backward: false, seed: dropoutSeed) / total)
  }

  /// The residual stream after the last block, `[R, D]`, of sequences one after another: what inference makes too.
  package func finalStates(_ batch: [TuningExample]) throws(EngineError) -> FloatMatrix {
    _ = try pass(batch, totalWeight: 1, backward: false, seed: nil)
    let result = FloatMatrix(rows: pass.rowCount, columns: network.configuration.hiddenSize)
    result.copyRows(0..<pass.rowCount, of: pass.space.last, to: 0)
    return result
  }

  /// Takes the place of a run that had done so many updates, whose moments the parameters now hold.
  func resume(after steps: Int) { completedSteps = steps }

  /// Sets the gradients of the batch's mean loss and returns the loss.
  /// - Parameters:
  ///   - portions: how many parts the batch goes through the model in
  ///   - dropoutSeed: of this update; `nil` for none
  /// - Throws: `interrupted`, between blocks; the gradients are then those of nothing
  @discardableResult
  package func gradients(
    _ batch: [TuningExample], portions: Int = 1, dropoutSeed: UInt64? = nil
  ) throws(EngineError) -> Float {
    for parameter in network.trained { parameter.clearGradient() }
    let total = batch.totalWeight
    var sum = 0.0
    for part in 0..<portions {
      let range = batch.count * part / portions..<batch.count * (part + 1) / portions
      if range.isEmpty { continue }
      // Each portion's dropout is another.
      let seed = dropoutSeed.map { $0 &+ UInt64(part) &* 0x9e37_79b9_7f4a_7c15 }
      sum += try pass(batch[range], totalWeight: total, backward: true, seed: seed)
    }
    return Float(sum / total)
  }

  /// One update. A batch whose gradient is not finite, or an interruption on the way, changes nothing.
  /// - Returns: the loss before the update.
  /// - Throws: `interrupted`; `invalidArgument` when the loss or its gradient is not finite
  package func step(
    _ batch: [TuningExample], optimizer: TuningOptimizer, rate: Float, clip: Float?, portions: Int = 1,
    dropoutSeed: UInt64? = nil
  ) throws(EngineError) -> Float {
    let loss = try gradients(batch, portions: portions, dropoutSeed: dropoutSeed)
    let norm = network.trained.reduce(0.0) { $0 + $1.gradientSquare }
    guard loss.isFinite, norm.isFinite else {
      throw EngineError(
        .invalidArgument, "training diverged: the loss or its gradient is not a finite number",
        at: "update \(completedSteps + 1)", found: "loss \(loss), square of the gradient's norm \(norm)",
        nextStep: "use a lower learning rate, or clip gradients")
    }
    completedSteps += 1
    gradientNorm = optimizer.update(network.trained, step: completedSteps, rate: rate, clip: clip, pool: pool)
    return loss
  }
}
