/// Trains every parameter of a model: from random values, or on from given weights.
///
///     let trainer = try FullTrainer(configuration: shape, seed: 1)
///     for step in 1...steps { let loss = try trainer.step(batch, learningRate: rate(step)) }
///     let weights = trainer.weights()
///
/// Not Sendable: used by one thread at a time; its products run on the engine's threads.
public final class FullTrainer {
  public let configuration: ModelConfiguration
  public var optimizer: TuningOptimizer
  /// Largest norm of all gradients together; `nil` for no clipping.
  public var clip: Float?
  /// Used by steps that don't name a rate of their own.
  public var learningRate: Float
  package let trainer: Trainer

  /// Values drawn from a seed: matrices normal with the given deviation (those that write to the residual stream,
  /// `o` and `down`, divided by `√(2L)`), gains 1.
  /// - Parameters:
  ///   - isTied: whether the token embedding is the output matrix too
  ///   - arithmetic: ``TrainingArithmetic/reproducible`` gives the same bits on any machine, slower
  /// - Throws: `invalidArgument` when the shape makes no sense.
  public convenience init(
    configuration: ModelConfiguration, seed: UInt64, initialStandardDeviation deviation: Float = 0.02,
    isTied: Bool = true, optimizer: TuningOptimizer = .adamW(beta2: 0.95, weightDecay: 0.1),
    learningRate: Float = 1e-3, clip: Float? = 1, arithmetic: TrainingArithmetic = .openBLAS
  ) throws(EngineError) {
    try configuration.check(at: "training")
    let weights = LlamaWeights(random: configuration, seed: seed, deviation: deviation, isTied: isTied)
    try self.init(
      weights, configuration: configuration, optimizer: optimizer, learningRate: learningRate, clip: clip,
      arithmetic: arithmetic)
  }

  /// Goes on from given weights; stored types other than F32 become F32.
  /// - Throws: `invalidArgument`, `malformedFile` when the weights don't fit the shape.
  public convenience init(
    _ weights: LlamaWeights, configuration: ModelConfiguration,
    optimizer: TuningOptimizer = .adamW(beta2: 0.95, weightDecay: 0.1), learningRate: Float = 1e-3, clip: Float? = 1,
    arithmetic: TrainingArithmetic = .openBLAS
  ) throws(EngineError) {
    try self.init(
      weights, configuration: configuration, optimizer: optimizer, learningRate: learningRate, clip: clip,
      arithmetic: arithmetic, pool: .shared)
  }

  package init(
    _ weights: LlamaWeights, configuration: ModelConfiguration, optimizer: TuningOptimizer, learningRate: Float,
    clip: Float?, arithmetic: TrainingArithmetic, pool: ThreadPool
  ) throws(EngineError) {
    try Kernels.check()
    try configuration.check(at: "training")
    try weights.check(configuration, at: "training")
    try optimizer.check(at: "training")
    self.configuration = configuration
    self.optimizer = optimizer
    self.clip = clip
    self.learningRate = learningRate
    let network = TrainingNetwork(weights, configuration, method: .full)
    trainer = Trainer(network, arithmetic: arithmetic, pool: pool)
  }

  /// Updates done so far.
  public var completedSteps: Int { trainer.completedSteps }
  /// Norm of all gradients in the last update, before clipping.
  public var gradientNorm: Float { trainer.gradientNorms.first ?? 0 }
  /// Numbers that are trained.
  public var parameterCount: Int { trainer.network.trained.reduce(0) { $0 + $1.count } }

  /// One update on a batch.
  /// - Parameters:
  ///   - learningRate: of this update; without one, ``learningRate``
  ///   - portions: how many parts the batch goes through the model in: more need less memory
  /// - Returns: the batch's mean loss in nats before the update.
  /// - Throws: `invalidArgument`, `contextOverflow`; `interrupted`, and then nothing has changed
  @discardableResult
  public func step(
    _ batch: [TuningExample], learningRate: Float? = nil, portions: Int = 1
  ) throws(EngineError) -> Float {
    try batch.check(configuration, at: "update \(completedSteps + 1)")
    return try trainer.step(
      batch, optimizer: optimizer, rate: learningRate ?? self.learningRate, clip: clip, portions: max(1, portions))
  }

  /// Mean loss of a batch in nats; nothing changes.
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  public func loss(_ batch: [TuningExample]) throws(EngineError) -> Float {
    try batch.check(configuration, at: "evaluation")
    return try trainer.loss(batch)
  }

  /// A copy of the present parameters, F32.
  public func weights() -> LlamaWeights { trainer.network.weights() }
}

extension LlamaWeights {
  /// Values for a model that has learned nothing yet; see ``FullTrainer``.
  package init(random c: ModelConfiguration, seed: UInt64, deviation: Float, isTied: Bool) {
    func matrix(_ name: String, _ rows: Int, _ columns: Int, _ deviation: Float) -> WeightMatrix {
      // A stream for each matrix: a change of one leaves the others alone.
      var generator = SeededGenerator(seed: seed, stream: name)
      return WeightMatrix(
        name: name, rows: rows, columns: columns, values: generator.normals(rows * columns).map { $0 * deviation })
    }
    let written = deviation / Float(2 * c.layerCount).squareRoot()
    let ones = [Float](repeating: 1, count: c.hiddenSize)
    self.init(
      tokenEmbedding: matrix("token_embd.weight", c.vocabularySize, c.hiddenSize, deviation),
      blocks: (0..<c.layerCount).map { index in
        var projections: [Projection: WeightMatrix] = [:]
        for projection in Projection.allCases {
          let shape = projection.shape(in: c)
          let isWritten = projection == .o || projection == .down
          projections[projection] = matrix(
            "block \(index) \(projection.rawValue)", shape.output, shape.input, isWritten ? written : deviation)
        }
        return Block(attentionNorm: ones, feedForwardNorm: ones, projections: projections)
      }, finalNorm: ones, output: isTied ? nil : matrix("output.weight", c.vocabularySize, c.hiddenSize, deviation))
  }
}
