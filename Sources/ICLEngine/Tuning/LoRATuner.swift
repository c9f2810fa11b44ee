import Foundation
import NotebookDisplay

/// What a tuning run made.
public struct TuningResult: Sendable {
  /// The low-rank updates, when the method was LoRA.
  public var adapter: LoRAAdapter?
  /// The tuned model's weights, when the method was another.
  public var weights: LlamaWeights?
  /// Mean loss of each update's examples before it, in nats.
  public var losses: [Float]
  /// Norm of all gradients in each update, before clipping.
  public var gradientNorms: [Float]
  /// Copies of the adapter on the way, as asked for.
  public var snapshots: [Snapshot]
  /// Whether the user stopped it before all updates were done; all else is of the last whole update.
  public var isInterrupted: Bool

  /// Updates that were done.
  public var completedSteps: Int { losses.count }

  public struct Snapshot: Sendable {
    /// Updates done.
    public var step: Int
    public var adapter: LoRAAdapter
  }
}

/// Where a tuning run is. It reads as one line: `step 3 of 50  loss 2.31  118 tokens/s  42 s left`.
public struct TuningProgress: Sendable, CustomStringConvertible {
  /// Updates done, and in all.
  public var step: Int
  public var steps: Int
  /// Mean loss of the last update's examples before it, in nats.
  public var loss: Float
  /// Norm of all gradients in the last update, before clipping.
  public var gradientNorm: Float
  public var learningRate: Float
  /// Tokens that went forward and back in a second, over the whole run so far.
  public var tokensPerSecond: Double
  /// Seconds that the rest will take at this speed.
  public var secondsLeft: Double

  public var description: String {
    "step \(step) of \(steps)  loss \(ReportNumber.fixed(Double(loss), 4))  \(speed)"
      + (step < steps ? "  \(ProgressLine.duration(secondsLeft)) left" : "")
  }

  /// `118 tokens/s`
  var speed: String {
    (tokensPerSecond >= 10 ? "\(Int(tokensPerSecond))" : ReportNumber.fixed(tokensPerSecond, 1)) + " tokens/s"
  }
}

/// Tunes a model on examples: LoRA over a frozen base in whatever type it is stored, key and value projections, or
/// everything.
public enum LoRATuner {
  /// - Parameters:
  ///   - initial: an adapter to go on from; without one `A` is uniform within `±1/√input` and `B` zero, as PEFT begins
  ///   - checkpoint: where the run keeps itself; `nil` for nowhere. A run that goes on has the losses of its first part
  ///     too, but not its snapshots.
  ///   - progress: called after each update
  /// - Returns: the result. When the user interrupts, even in the middle of an update, it is that of the updates that
  ///   were whole by then.
  /// - Throws: `invalidArgument`, `contextOverflow`; with a checkpoint also `unreadableFile`, `malformedFile`
  public static func tune(
    _ model: LlamaModel, on examples: [TuningExample], _ configuration: TuningConfiguration = TuningConfiguration(),
    from initial: LoRAAdapter? = nil, checkpoint: TuningCheckpoint? = nil,
    progress: (TuningProgress) -> Void = { _ in }
  ) throws(EngineError) -> TuningResult {
    try tune(
      model, [Member(examples: examples, seed: configuration.seed, initial: initial)], configuration,
      checkpoint: checkpoint
    ) { progress($0[0]) }[0]
  }

  /// One of the tunings that go side by side.
  package struct Member {
    let examples: [TuningExample]
    /// In place of the configuration's.
    let seed: UInt64
    /// As in ``tune(_:on:_:from:checkpoint:progress:)``.
    let initial: LoRAAdapter?

    package init(examples: [TuningExample], seed: UInt64, initial: LoRAAdapter? = nil) {
      self.examples = examples
      self.seed = seed
      self.initial = initial
    }
  }

  /// Tunings of one model side by side, each with the bits that it has alone: what they have in common, the frozen
  /// weights, is read and dequantized once for all. Several only by LoRA, and without a checkpoint.
  /// - Parameter progress: called after each update, with each tuning's
  package static func tune(
    _ model: LlamaModel, _ members: [Member], _ configuration: TuningConfiguration, checkpoint: TuningCheckpoint? = nil,
    progress: ([TuningProgress]) -> Void = { _ in }
  ) throws(EngineError) -> [TuningResult] {
    let c = model.configuration
    let place = "tuning \(model.name)"
    try configuration.check(c, at: place)
    for member in members { try member.examples.check(c, at: place) }
    if let checkpoint, checkpoint.every < 1 {
      throw EngineError(
        .invalidArgument, "a tuning setting is outside its range", at: "\(place), checkpoint", expected: "every ≥ 1",
        found: "\(checkpoint.every)")
    }
    var starts: [LoRAAdapter] = []
    for member in members {
      if let start = try firstAdapter(c, configuration, member, at: place) { starts.append(start) }
    }
    let network = TrainingNetwork(
      model.weights, c, method: configuration.method, adapters: starts, layers: configuration.layers)
    let trainer = Trainer(
      network, arithmetic: configuration.arithmetic, pool: model.pool, recomputes: configuration.recomputes,
      sharing: configuration.method.sharesBeginnings)
    var runs = members.map { member in
      var own = configuration
      own.seed = member.seed
      return TuningRunState(configuration: own, model: c, examples: member.examples)
    }
    if let checkpoint, checkpoint.resumes, FileManager.default.fileExists(atPath: checkpoint.path) {
      var kept = runs[0]
      try trainer.loadState(from: checkpoint.path) { notes throws(EngineError) in
        kept = try runs[0].resumed(notes, path: checkpoint.path)
      }
      kept.configuration = configuration
      runs = [kept]
    }
    var results = members.map { _ in
      TuningResult(losses: [], gradientNorms: [], snapshots: [], isInterrupted: false)
    }
    let clock = ContinuousClock()
    let began = clock.now
    let before = trainer.completedSteps
    var tokens = 0

    while trainer.completedSteps < configuration.steps {
      let step = trainer.completedSteps + 1
      // The order and the dropout go on only once the update is whole.
      var next = runs
      let batches = members.indices.map { next[$0].batch(of: members[$0].examples) }
      let rate =
        configuration.learningRate
        * configuration.schedule.factor(step: step, of: configuration.steps, warmUp: configuration.warmUpSteps)
      do throws(EngineError) {
        let losses = try trainer.step(
          batches, optimizer: configuration.optimizer, rate: rate, clip: configuration.clip,
          portions: configuration.accumulation)
        for index in members.indices {
          next[index].losses.append(losses[index])
          next[index].gradientNorms.append(trainer.gradientNorms[index])
        }
      } catch {
        guard error.code == .interrupted else { throw error }
        for index in members.indices { results[index].isInterrupted = true }
        break
      }
      runs = next
      if let every = configuration.snapshotEvery, step % every == 0 {
        for (index, start) in starts.enumerated() {
          results[index].snapshots.append(.init(step: step, adapter: network.adapter(like: start, member: index)))
        }
      }
      if let checkpoint, step % checkpoint.every == 0, step < configuration.steps {
        try trainer.saveState(to: checkpoint.path, notes: runs[0].notes())
      }
      tokens += batches.reduce(0) { $0 + $1.tokenCount }
      let seconds = max(1e-9, began.duration(to: clock.now) / .seconds(1))
      progress(
        runs.map { run in
          TuningProgress(
            step: step, steps: configuration.steps, loss: run.losses[run.losses.count - 1],
            gradientNorm: run.gradientNorms[run.gradientNorms.count - 1], learningRate: rate,
            tokensPerSecond: Double(tokens) / seconds,
            secondsLeft: seconds / Double(step - before) * Double(configuration.steps - step))
        })
    }
    if let checkpoint { try trainer.saveState(to: checkpoint.path, notes: runs[0].notes()) }
    for index in members.indices {
      results[index].losses = runs[index].losses
      results[index].gradientNorms = runs[index].gradientNorms
      if starts.isEmpty {
        results[index].weights = network.weights()
      } else {
        results[index].adapter = network.adapter(like: starts[index], member: index)
      }
    }
    return results
  }

  /// How many of these tunings, from the first on, are worth going side by side: those whose rows fit into one stretch
  /// of the products, with what the blocks keep of them in an eighth of the weights' memory, or 128 MiB. At least 1.
  package static func countTogether(
    _ model: LlamaModel, _ examples: [[TuningExample]], _ configuration: TuningConfiguration
  ) -> Int {
    guard case .lora = configuration.method, examples.count > 1 else { return 1 }
    let c = model.configuration
    let row = TrainingWorkspace(
      rows: 1, c, first: (configuration.layers?.min() ?? 1) - 1, recomputes: configuration.recomputes,
      isRounded: configuration.arithmetic == .bf16)
    let stored = model.weights.multiplied.reduce(0) { $0 + $1.rows * $1.bytesPerRow }
    let bytes = max(128 << 20, stored / 8)
    let most = min(DenseProducts.stretch, bytes / row.byteCount)
    var rows = 0
    let first = examples.firstIndex { examples in
      rows += PackedBatch([examples[...]], sharing: configuration.method.sharesBeginnings).tokens.count
      return rows > most
    }
    return max(1, first ?? examples.count)
  }

  /// The adapter that a run of LoRA begins with; `nil` for other methods.
  private static func firstAdapter(
    _ c: ModelConfiguration, _ configuration: TuningConfiguration, _ member: Member, at place: String
  ) throws(EngineError) -> LoRAAdapter? {
    let initial = member.initial
    guard case .lora(let rank, let alpha, let projections, _, let isRankStabilized) = configuration.method else {
      if initial == nil { return nil }
      throw EngineError(
        .invalidArgument, "only LoRA goes on from an adapter", at: place, expected: "method lora",
        found: "\(configuration.method)")
    }
    try initial?.check(c)
    let chosen = configuration.layers.map { Set($0.map { $0 - 1 }) } ?? Set(0..<c.layerCount)
    if let initial {
      guard chosen.contains(where: { !initial.blocks[$0].isEmpty }) else {
        throw EngineError(
          .invalidArgument, "the adapter has nothing to tune in these layers", at: place,
          expected: "projections in layers \(chosen.map { $0 + 1 }.sorted())", found: "none")
      }
      return initial
    }
    var adapter = LoRAAdapter(for: c, rank: rank, alpha: alpha, projections: projections, seed: member.seed)
    adapter.isRankStabilized = isRankStabilized
    for index in adapter.blocks.indices where !chosen.contains(index) { adapter.blocks[index] = [:] }
    return adapter
  }
}

extension LoRAAdapter {
  /// An adapter that changes nothing yet: `A` uniform within `±1/√input` (what Kaiming's rule gives with `a = √5`, as
  /// in PEFT), `B` zero.
  public init(for c: ModelConfiguration, rank: Int, alpha: Float, projections: [Projection], seed: UInt64) {
    let wanted = Set(projections)
    self.init(
      rank: rank, alpha: alpha,
      blocks: (0..<c.layerCount).map { index in
        var block: [Projection: Pair] = [:]
        for projection in wanted {
          let shape = projection.shape(in: c)
          var generator = SeededGenerator(seed: seed, stream: "LoRA \(index) \(projection.rawValue)")
          let bound = 1 / Double(shape.input).squareRoot()
          block[projection] = Pair(
            a: (0..<rank * shape.input).map { _ in Float((2 * generator.uniform() - 1) * bound) },
            b: [Float](repeating: 0, count: rank * shape.output))
        }
        return block
      })
  }
}

extension Engine {
  /// Tunes the engine's model; see ``LoRATuner``. Without a `progress` of its own it shows a line with loss, speed and
  /// the time that is left.
  /// - Throws: `invalidArgument`, `contextOverflow`; with a checkpoint also `unreadableFile`, `malformedFile`
  public func tune(
    _ examples: [TuningExample], _ configuration: TuningConfiguration = TuningConfiguration(),
    from initial: LoRAAdapter? = nil, checkpoint: TuningCheckpoint? = nil,
    progress: ((TuningProgress) -> Void)? = nil
  ) throws(EngineError) -> TuningResult {
    if let progress {
      return try LoRATuner.tune(
        model, on: examples, configuration, from: initial, checkpoint: checkpoint, progress: progress)
    }
    let line = ProgressLine("tuning \(model.name)", total: configuration.steps, unit: "updates")
    var done = 0
    do throws(EngineError) {
      let result = try LoRATuner.tune(model, on: examples, configuration, from: initial, checkpoint: checkpoint) {
        line.advance(by: $0.step - done, note: "loss \(ReportNumber.fixed(Double($0.loss), 4)), \($0.speed)")
        done = $0.step
      }
      let losses = [result.losses.first, result.losses.last].compactMap { $0.map { ReportNumber.fixed(Double($0), 4) } }
      line.finish(
        "\(result.completedSteps) updates\(result.isInterrupted ? ", interrupted" : "")"
          + (losses.isEmpty ? "" : ": loss \(losses.joined(separator: " → "))"))
      return result
    } catch {
      line.finish("tuning stopped after \(done) updates")
      throw error
    }
  }
}
