/// How the IT and IT+ICL conditions are tuned: on the demonstrations as zero-shot prompts, all of them in every step,
/// AdamW at a constant rate; LoRA with the loss on the answer's tokens unless something else is chosen.
///
/// The defaults suit the small model that ships (they were found on a model of its kind); they are no claim about
/// what the paper used. A model of billions of parameters wants a rate 10 to 50 times smaller.
public struct TuningSettings: Sendable, Equatable, Codable {
  /// Which parameters are tuned.
  public enum Method: String, Sendable, Equatable, Codable, CaseIterable {
    /// Low-rank updates of ``TuningSettings/projections``.
    case lora
    /// The key and value projections (Dai et al. 2022).
    case keyValue
    /// Every parameter.
    case full
  }

  /// Which predictions count in the loss.
  public enum Loss: String, Sendable, Equatable, Codable, CaseIterable {
    /// Those of the answer's tokens.
    case answer
    /// Those of every token of instruction, example and answer.
    case all
  }

  public var method: Method
  public var loss: Loss
  /// Tuned by LoRA; other methods choose their own.
  public var projections: [Projection]
  public var rank: Int
  /// The update is scaled by `alpha / rank`.
  public var alpha: Float
  public var learningRate: Float
  public var steps: Int

  public init(
    projections: [Projection] = [.q, .v], rank: Int = 8, alpha: Float = 16, learningRate: Float = 5e-3,
    steps: Int = 60, method: Method = .lora, loss: Loss = .answer
  ) {
    self.method = method
    self.loss = loss
    self.projections = projections
    self.rank = rank
    self.alpha = alpha
    self.learningRate = learningRate
    self.steps = steps
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    let standard = TuningSettings()
    method = try box.decodeIfPresent(Method.self, forKey: .method) ?? standard.method
    loss = try box.decodeIfPresent(Loss.self, forKey: .loss) ?? standard.loss
    projections = try box.decodeIfPresent([Projection].self, forKey: .projections) ?? standard.projections
    rank = try box.decodeIfPresent(Int.self, forKey: .rank) ?? standard.rank
    alpha = try box.decodeIfPresent(Float.self, forKey: .alpha) ?? standard.alpha
    learningRate = try box.decodeIfPresent(Float.self, forKey: .learningRate) ?? standard.learningRate
    steps = try box.decodeIfPresent(Int.self, forKey: .steps) ?? standard.steps
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: CodingKeys.self)
    // What came later is written only where it says something, so that older specifications keep their text.
    if method != .lora { try box.encode(method, forKey: .method) }
    if loss != .answer { try box.encode(loss, forKey: .loss) }
    try box.encode(projections, forKey: .projections)
    try box.encode(rank, forKey: .rank)
    try box.encode(alpha, forKey: .alpha)
    try box.encode(learningRate, forKey: .learningRate)
    try box.encode(steps, forKey: .steps)
  }

  /// The names that its JSON may have.
  static var keyNames: [String] { CodingKeys.allCases.map(\.stringValue) }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case projections, rank, alpha, learningRate, steps, method, loss
  }

  func validate() throws(EngineError) {
    guard !projections.isEmpty, rank >= 1, alpha.isFinite, learningRate.isFinite, learningRate >= 0, steps >= 0 else {
      throw EngineError(
        .invalidArgument, "tuning settings are outside their range", at: "comparison",
        expected: "projections, rank ≥ 1, finite alpha, learning rate ≥ 0, steps ≥ 0",
        found: "\(projections.map(\.rawValue)), rank \(rank), alpha \(alpha), rate \(learningRate), steps \(steps)")
    }
  }
}
