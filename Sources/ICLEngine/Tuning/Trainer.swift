/// One network, its optimizer and their count of updates: what tuning and growing have in common. Several tunings of
/// one frozen model may go side by side.
///
/// Not Sendable: used by one thread at a time.
package final class Trainer {
  package let network: TrainingNetwork
  package private(set) var completedSteps = 0
  /// Norm of all gradients in the last update, before clipping, of each of the tunings side by side.
  package private(set) var gradientNorms: [Float] = []
  private let pass: TrainingPass
  private let pool: ThreadPool
  private let sharing: Bool

  /// - Parameters:
  ///   - recomputes: whether blocks keep only what goes into them
  ///   - sharing: whether what a batch's examples begin with goes through the model once; see ``PackedBatch``
  package init(
    _ network: TrainingNetwork, arithmetic: TrainingArithmetic, pool: ThreadPool, recomputes: Bool = false,
    sharing: Bool = false
  ) {
    self.network = network
    self.pool = pool
    self.sharing = sharing
    pass = TrainingPass(network, arithmetic: arithmetic, pool: pool, recomputes: recomputes)
  }

  /// Bytes that passes work in, for the largest batch so far.
  package var workspaceBytes: Int { pass.space.byteCount }

  /// Rows of the last pass: tokens that went through the model.
  package var rowCount: Int { pass.rowCount }

  /// Sequences whose way through the frozen blocks below the lowest trained one was computed.
  package var frozenSequences: Int { pass.frozen.computed }

  /// Mean loss of a batch under the loss weights, in nats; nothing changes.
  /// - Throws: `interrupted`
  package func loss(_ batch: [TuningExample], dropoutSeed: UInt64? = nil) throws(EngineError) -> Float {
    let total = batch.totalWeight
    let part = TrainingPass.Part(examples: batch[...], totalWeight: total, seed: dropoutSeed)
    return Float(try pass([part], sharing: sharing, backward: false)[0] / total)
  }

  /// The residual stream after the last block, `[R, D]`, of sequences one after another: what inference makes too.
  package func finalStates(_ batch: [TuningExample]) throws(EngineError) -> FloatMatrix {
    let part = TrainingPass.Part(examples: batch[...], totalWeight: 1, seed: nil)
    _ = try pass([part], sharing: false, backward: false)
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
    try gradients([Batch(examples: batch, dropoutSeed: dropoutSeed)], portions: portions)[0]
  }

  /// What one of the tunings side by side learns from in an update.
  package struct Batch {
    package let examples: [TuningExample]
    /// Of this update; `nil` for none.
    package let dropoutSeed: UInt64?

    var tokenCount: Int { examples.reduce(0) { $0 + $1.tokens.count } }

    package init(examples: [TuningExample], dropoutSeed: UInt64? = nil) {
      self.examples = examples
      self.dropoutSeed = dropoutSeed
    }
  }

  /// The same for tunings side by side, each with the bits that it has alone.
  package func gradients(_ batches: [Batch], portions: Int = 1) throws(EngineError) -> [Float] {
    for parameter in network.trained { parameter.clearGradient() }
    let totals = batches.map(\.examples.totalWeight)
    var sums = [Double](repeating: 0, count: batches.count)
    for part in 0..<portions {
      let parts = batches.indices.map { index in
        let examples = batches[index].examples
        return TrainingPass.Part(
          examples: examples[examples.count * part / portions..<examples.count * (part + 1) / portions],
          totalWeight: totals[index],
          // Each portion's dropout is another.
          seed: batches[index].dropoutSeed.map { $0 &+ UInt64(part) &* 0x9e37_79b9_7f4a_7c15 })
      }
      if parts.allSatisfy(\.examples.isEmpty) { continue }
      for (index, sum) in try pass(parts, sharing: sharing, backward: true).enumerated() { sums[index] += sum }
    }
    return zip(sums, totals).map { Float($0 / $1) }
  }

  /// One update. A batch whose gradient is not finite, or an interruption on the way, changes nothing.
  /// - Returns: the loss before the update.
  /// - Throws: `interrupted`; `invalidArgument` when the loss or its gradient is not finite
  package func step(
    _ batch: [TuningExample], optimizer: TuningOptimizer, rate: Float, clip: Float?, portions: Int = 1,
    dropoutSeed: UInt64? = nil
  ) throws(EngineError) -> Float {
    try step(
      [Batch(examples: batch, dropoutSeed: dropoutSeed)], optimizer: optimizer, rate: rate, clip: clip,
      portions: portions)[0]
  }

  /// The same for tunings side by side: all are updated, or none.
  package func step(
    _ batches: [Batch], optimizer: TuningOptimizer, rate: Float, clip: Float?, portions: Int = 1
  ) throws(EngineError) -> [Float] {
    let losses = try gradients(batches, portions: portions)
    for (index, loss) in losses.enumerated() {
      let norm = network.members[index].reduce(0.0) { $0 + $1.gradientSquare }
      guard loss.isFinite, norm.isFinite else {
        let which = losses.count > 1 ? " of tuning \(index + 1)" : ""
        throw EngineError(
          .invalidArgument, "training diverged: the loss or its gradient is not a finite number",
          at: "update \(completedSteps + 1)\(which)", found: "loss \(loss), square of the gradient's norm \(norm)",
          nextStep: "use a lower learning rate, or clip gradients")
      }
    }
    completedSteps += 1
    gradientNorms = network.members.map {
      optimizer.update($0, step: completedSteps, rate: rate, clip: clip, pool: pool)
    }
    return losses
  }
}
