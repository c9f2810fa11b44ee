/// One token sequence to learn from.
public struct TuningExample: Sendable, Equatable {
  /// Token ids from the first on.
  public var tokens: [Int]
  /// Weight `i` says how much the prediction of token `i` from those before it counts in the loss; 0 leaves it out.
  /// The first token has nothing before it: its weight is ignored.
  public var lossWeights: [Float]

  public init(tokens: [Int], lossWeights: [Float]) {
    self.tokens = tokens
    self.lossWeights = lossWeights
  }

  /// Every prediction counts alike.
  public init(tokens: [Int]) {
    self.init(tokens: tokens, lossWeights: [Float](repeating: 1, count: tokens.count))
  }

  /// Sum of the weights that count.
  var totalWeight: Double { lossWeights.dropFirst().reduce(0) { $0 + Double($1) } }

  /// - Throws: `invalidArgument`, `contextOverflow`
  func check(_ c: ModelConfiguration, at place: String) throws(EngineError) {
    guard !tokens.isEmpty, tokens.count == lossWeights.count else {
      throw EngineError(
        .invalidArgument, "a tuning example's tokens and weights don't fit", at: place,
        expected: "one weight for each of at least one token",
        found: "\(tokens.count) tokens and \(lossWeights.count) weights")
    }
    guard tokens.count <= c.contextLength else {
      throw EngineError(
        .contextOverflow, "a tuning example is longer than the model's context", at: place,
        expected: "at most \(c.contextLength) tokens", found: "\(tokens.count)", nextStep: "cut the text")
    }
    if let token = tokens.first(where: { !(0..<c.vocabularySize).contains($0) }) {
      throw EngineError(
        .invalidArgument, "a token id is outside the vocabulary", at: place, expected: "0..<\(c.vocabularySize)",
        found: "\(token)")
    }
    if let weight = lossWeights.first(where: { !($0.isFinite && $0 >= 0) }) {
      throw EngineError(
        .invalidArgument, "a loss weight is not a finite number from 0 on", at: place, expected: "0 or more",
        found: "\(weight)")
    }
  }
}

extension [TuningExample] {
  var totalWeight: Double { reduce(0) { $0 + $1.totalWeight } }

  /// Throws as each example's check does, and when nothing at all counts in the loss.
  func check(_ c: ModelConfiguration, at place: String) throws(EngineError) {
    for (index, example) in enumerated() { try example.check(c, at: "\(place), example \(index)") }
    guard totalWeight > 0 else {
      throw EngineError(
        .invalidArgument, "no prediction counts in the loss", at: place,
        expected: "at least one weight above 0 after an example's first token",
        found: isEmpty ? "no examples" : "\(count) examples with none")
    }
  }
}
