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

/// Where a tuning run is.
public struct TuningProgress: Sendable {
  /// Updates done, and in all.
  public var step: Int
  public var steps: Int
  /// Mean loss of the last update's examples before it, in nats.
  public var loss: Float
  public var learningRate: Float
}

/// Tunes a model on examples: LoRA over a frozen base in whatever type it is stored, key and value projections, or
/// everything.
public enum LoRATuner {
  /// - Parameters:
  ///   - initial: an adapter to go on from; without one `A` is uniform within `±1/√input` and `B` zero, as PEFT begins
  ///   - progress: called after each update
  /// - Returns: the result; when the user interrupts, of the updates that were whole by then.
  /// - Throws: `invalidArgument`, `contextOverflow`
  public static func tune(
    _ model: LlamaModel, on examples: [TuningExample], _ configuration: TuningConfiguration = TuningConfiguration(),
    from initial: LoRAAdapter? = nil, progress: (TuningProgress) -> Void = { _ in }
  ) throws(EngineError) -> TuningResult {
    let c = model.configuration
    try configuration.check(at: "tuning \(model.name)")
    try examples.check(c, at: "tuning \(model.name)")
    var start: LoRAAdapter?
    if case .lora(let rank, let alpha, let projections, _) = configuration.method {
      try initial?.check(c)
      start =
        initial ?? LoRAAdapter(for: c, rank: rank, alpha: alpha, projections: projections, seed: configuration.seed)
    } else if initial != nil {
      throw EngineError(
        .invalidArgument, "only LoRA goes on from an adapter", at: "tuning \(model.name)", expected: "method lora",
        found: "\(configuration.method)")
    }
    let network = TrainingNetwork(model.weights, c, method: configuration.method, adapter: start)
    let trainer = Trainer(network, arithmetic: configuration.arithmetic, pool: model.pool)
    var order = ExampleOrder(count: examples.count, batch: configuration.batchSize, seed: configuration.seed)
    var dropout = SeededGenerator(seed: configuration.seed, stream: "dropout")
    var result = TuningResult(losses: [], gradientNorms: [], snapshots: [], isInterrupted: false)

    for step in 0..<configuration.steps {
      if Interruption.isRequested {
        result.isInterrupted = true
        break
      }
      var batch = order.next().map { examples[$0] }
      // A batch in which nothing counts would have no mean.
      while batch.totalWeight == 0 { batch = order.next().map { examples[$0] } }
      let rate =
        configuration.learningRate
        * configuration.schedule.factor(step: step + 1, of: configuration.steps, warmUp: configuration.warmUpSteps)
      let loss = try trainer.step(
        batch, optimizer: configuration.optimizer, rate: rate, clip: configuration.clip,
        portions: configuration.accumulation, dropoutSeed: dropout.next())
      result.losses.append(loss)
      result.gradientNorms.append(trainer.gradientNorm)
      if let every = configuration.snapshotEvery, let start, (step + 1) % every == 0 {
        result.snapshots.append(
          .init(step: step + 1, adapter: network.adapter(rank: start.rank, alpha: start.alpha)))
      }
      progress(TuningProgress(step: step + 1, steps: configuration.steps, loss: loss, learningRate: rate))
    }
    if let start {
      result.adapter = network.adapter(rank: start.rank, alpha: start.alpha)
    } else {
      result.weights = network.weights()
    }
    return result
  }
}

/// Which examples each update sees: all in their order, or shuffled batches in which every example comes once before
/// any comes again.
struct ExampleOrder {
  private let count: Int
  private let batch: Int
  private var generator: SeededGenerator
  private var rest: [Int] = []

  init(count: Int, batch: Int?, seed: UInt64) {
    self.count = count
    self.batch = batch ?? count
    generator = SeededGenerator(seed: seed, stream: "order of examples")
  }

  mutating func next() -> [Int] {
    if batch >= count { return Array(0..<count) }
    var chosen: [Int] = []
    while chosen.count < batch {
      if rest.isEmpty { rest = generator.shuffled(Array(0..<count)).reversed() }
      if let last = rest.popLast() { chosen.append(last) }
    }
    return chosen
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
  /// Tunes the engine's model; see ``LoRATuner``.
  /// - Throws: `invalidArgument`, `contextOverflow`
  public func tune(
    _ examples: [TuningExample], _ configuration: TuningConfiguration = TuningConfiguration(),
    progress: (TuningProgress) -> Void = { _ in }
  ) throws(EngineError) -> TuningResult {
    try LoRATuner.tune(model, on: examples, configuration, progress: progress)
  }
}
