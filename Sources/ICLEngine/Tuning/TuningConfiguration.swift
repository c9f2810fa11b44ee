/// Which parameters are tuned.
public enum TuningMethod: Sendable, Equatable, Codable {
  /// Low-rank updates of some projections over a frozen base (Hu et al. 2021, arXiv 2106.09685), scaled by
  /// `alpha / rank`, or by `alpha / √rank` when rank-stabilized (Kalajdzievski 2023, arXiv 2312.03732); `dropout` zeroes
  /// that share of what the update sees.
  case lora(
    rank: Int = 8, alpha: Float = 16, projections: [Projection] = [.q, .v], dropout: Float = 0,
    isRankStabilized: Bool = false)
  /// Everything: embeddings, norms, projections, output. With ``TuningConfiguration/layers`` the blocks alone.
  case full
  /// The key and value projections alone (Dai et al. 2023, arXiv 2212.10559).
  case keyValue

  public static let lora = TuningMethod.lora()

  /// Whether what examples begin with may go through the model once: dropout is drawn for every row by itself.
  var sharesBeginnings: Bool { dropout == 0 }

  /// Share of what a low-rank update sees that is zeroed.
  var dropout: Float {
    if case .lora(_, _, _, let rate, _) = self { return rate }
    return 0
  }
}

/// Every choice of a tuning run. Equal configurations on the same model and examples give the same bits (with
/// ``TrainingArithmetic/reproducible``).
public struct TuningConfiguration: Sendable, Equatable, Codable {
  public var method: TuningMethod
  public var optimizer: TuningOptimizer
  /// Peak learning rate.
  public var learningRate: Float
  public var schedule: RateSchedule
  /// Updates over which the rate rises.
  public var warmUpSteps: Int
  /// Updates in all.
  public var steps: Int
  /// Examples in each update, drawn without repeats until all were seen; `nil` for all in their order.
  public var batchSize: Int?
  /// An update's examples go through the model in this many portions: less memory, the same gradient. (PyTorch calls it
  /// gradient accumulation; the loss is the mean over all tokens that count in the update, not of the portions' means.)
  public var accumulation: Int
  /// Largest norm of all gradients together; `nil` for no clipping.
  public var clip: Float?
  /// Decides initial values, order of examples and dropout.
  public var seed: UInt64
  public var arithmetic: TrainingArithmetic
  /// Keeps a copy of the adapter after every so many updates; `nil` for none.
  public var snapshotEvery: Int?
  /// The blocks that are tuned, 1 for the first as in ``CaptureRequest``; `nil` for all. States below the lowest are
  /// computed once for each example.
  public var layers: [Int]?
  /// Keeps only what goes into each block and computes its inside again in the backward pass: less memory, about a third
  /// more time, the same bits.
  public var recomputes: Bool

  public init(
    method: TuningMethod = .lora, optimizer: TuningOptimizer = .adamW, learningRate: Float = 1e-3,
    schedule: RateSchedule = .constant, warmUpSteps: Int = 0, steps: Int = 50, batchSize: Int? = nil,
    accumulation: Int = 1, clip: Float? = nil, seed: UInt64 = 0, arithmetic: TrainingArithmetic = .reproducible,
    snapshotEvery: Int? = nil, layers: [Int]? = nil, recomputes: Bool = false
  ) {
    self.method = method
    self.optimizer = optimizer
    self.learningRate = learningRate
    self.schedule = schedule
    self.warmUpSteps = warmUpSteps
    self.steps = steps
    self.batchSize = batchSize
    self.accumulation = accumulation
    self.clip = clip
    self.seed = seed
    self.arithmetic = arithmetic
    self.snapshotEvery = snapshotEvery
    self.layers = layers
    self.recomputes = recomputes
  }

  /// - Throws: `invalidArgument`
  func check(_ c: ModelConfiguration, at place: String) throws(EngineError) {
    func require(_ holds: Bool, _ name: String, _ expected: String, _ found: String) throws(EngineError) {
      guard holds else {
        throw EngineError(
          .invalidArgument, "a tuning setting is outside its range", at: "\(place), \(name)", expected: expected,
          found: found)
      }
    }
    if case .lora(let rank, let alpha, let projections, let dropout, _) = method {
      try require((1...4096).contains(rank), "rank", "1 to 4096", "\(rank)")
      try require(alpha.isFinite, "alpha", "a finite number", "\(alpha)")
      try require(!projections.isEmpty, "projections", "at least one", "none")
      try require(dropout >= 0 && dropout < 1, "dropout", "0 to below 1", "\(dropout)")
    }
    try optimizer.check(at: place)
    try require(learningRate.isFinite && learningRate >= 0, "learningRate", "0 or more", "\(learningRate)")
    if case .cosine(let floor) = schedule {
      try require(floor >= 0 && floor <= 1, "the schedule's floor", "0 to 1", "\(floor)")
    }
    try require(warmUpSteps >= 0, "warmUpSteps", "0 or more", "\(warmUpSteps)")
    try require(steps >= 0, "steps", "0 or more", "\(steps)")
    if let batchSize { try require(batchSize >= 1, "batchSize", "at least 1", "\(batchSize)") }
    try require(accumulation >= 1, "accumulation", "at least 1", "\(accumulation)")
    if let clip { try require(clip > 0, "clip", "above 0", "\(clip)") }
    if let layers {
      let good = !layers.isEmpty && layers.allSatisfy { (1...c.layerCount).contains($0) }
      try require(good, "layers", "some of 1 to \(c.layerCount)", "\(layers)")
    }
    if let snapshotEvery { try require(snapshotEvery >= 1, "snapshotEvery", "at least 1", "\(snapshotEvery)") }
  }
}
