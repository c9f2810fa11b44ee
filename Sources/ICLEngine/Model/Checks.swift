/// Everything that must hold of a shape before a pass may rely on it.
extension ModelConfiguration {
  func check(at place: String) throws(EngineError) {
    func require(_ holds: Bool, _ name: String, _ expected: String, _ found: String) throws(EngineError) {
      guard holds else {
        throw EngineError(
          .invalidArgument, "the model's shape makes no sense", at: "\(place): \(name)", expected: expected,
          found: found, nextStep: "the file is damaged or not a Llama model")
      }
    }
    let sizes = [
      ("layers", layerCount, 1 << 12), ("hidden size", hiddenSize, 1 << 20), ("heads", headCount, 1 << 14),
      ("key/value heads", keyValueHeadCount, 1 << 14), ("head dimension", headDimension, 1 << 14),
      ("feed-forward size", feedForwardSize, 1 << 22), ("vocabulary", vocabularySize, 1 << 24),
      ("context length", contextLength, 1 << 28),
    ]
    for (name, value, most) in sizes {
      try require((1...most).contains(value), name, "1 to \(most)", "\(value)")
    }
    try require(
      headCount % keyValueHeadCount == 0, "key/value heads", "a divisor of \(headCount)", "\(keyValueHeadCount)")
    try require(
      ropeDimension >= 0 && ropeDimension <= headDimension && ropeDimension % 2 == 0, "rotary dimension",
      "an even number up to \(headDimension)", "\(ropeDimension)")
    try require(normEpsilon >= 0 && normEpsilon < 1, "norm epsilon", "0 to below 1", "\(normEpsilon)")
    try require(ropeBase.isNormal && ropeBase > 1, "rotary base", "above 1", "\(ropeBase)")
    if let slidingWindow { try require(slidingWindow > 0, "sliding window", "at least 1", "\(slidingWindow)") }
    switch ropeScaling {
    case .none: break
    case .linear(let factor):
      try require(factor.isNormal && factor > 0, "rotary scaling factor", "above 0", "\(factor)")
    case .factors(let factors):
      try require(factors.count == ropeDimension / 2, "rotary factors", "\(ropeDimension / 2)", "\(factors.count)")
      try require(factors.allSatisfy { $0.isNormal && $0 > 0 }, "rotary factors", "all above 0", "others")
    case .llama3(let factor, let low, let high, let original):
      try require(factor.isNormal && factor > 0, "rotary scaling factor", "above 0", "\(factor)")
      try require(
        low > 0 && high > low && high.isFinite, "rotary frequency factors", "0 < low < high", "\(low), \(high)")
      try require(original > 0, "original context", "at least 1", "\(original)")
    case .yarn(let factor, let attentionFactor, let fast, let slow, let original):
      try require(factor.isNormal && factor > 0, "rotary scaling factor", "above 0", "\(factor)")
      try require(attentionFactor.isFinite, "attention factor", "finite", "\(attentionFactor)")
      try require(fast.isNormal && slow.isNormal && fast > 0 && slow > 0, "YaRN betas", "above 0", "\(fast), \(slow)")
      try require(original > 0, "original context", "at least 1", "\(original)")
    }
  }
}

extension LlamaWeights {
  /// Throws when a matrix, gain or bias doesn't have the shape that the configuration asks for.
  func check(_ c: ModelConfiguration, at place: String) throws(EngineError) {
    func matrix(_ m: WeightMatrix?, _ name: String, _ rows: Int, _ columns: Int) throws(EngineError) {
      guard let m, m.rows == rows, m.columns == columns else {
        throw EngineError(
          .malformedFile, "a weight is missing or has the wrong shape", at: "\(place), \(name)",
          expected: "\(rows) rows of \(columns)", found: m.map { "\($0.rows) rows of \($0.columns)" } ?? "none",
          nextStep: "the file is damaged, or its metadata belongs to another model")
      }
    }
    func vector(_ values: [Float]?, _ name: String, _ count: Int) throws(EngineError) {
      guard let values, values.count == count else {
        throw EngineError(
          .malformedFile, "a weight is missing or has the wrong shape", at: "\(place), \(name)",
          expected: "\(count) values", found: "\(values?.count ?? 0)",
          nextStep: "the file is damaged, or its metadata belongs to another model")
      }
    }
    try matrix(tokenEmbedding, "token embedding", c.vocabularySize, c.hiddenSize)
    if let output { try matrix(output, "output", c.vocabularySize, c.hiddenSize) }
    try vector(finalNorm, "final norm", c.hiddenSize)
    guard blocks.count == c.layerCount else {
      throw EngineError(
        .malformedFile, "the number of blocks is not the configuration's", at: place, expected: "\(c.layerCount)",
        found: "\(blocks.count)")
    }
    for (index, block) in blocks.enumerated() {
      try vector(block.attentionNorm, "block \(index), attention norm", c.hiddenSize)
      try vector(block.feedForwardNorm, "block \(index), feed-forward norm", c.hiddenSize)
      for projection in Projection.allCases {
        let shape = projection.shape(in: c)
        let name = "block \(index), \(projection.rawValue)"
        try matrix(block.projections[projection], name, shape.output, shape.input)
        if let bias = block.biases[projection] { try vector(bias, name + " bias", shape.output) }
      }
    }
  }

  /// Every matrix: the embedding, the output when it is apart, and the projections block by block.
  public var matrices: [WeightMatrix] {
    [tokenEmbedding] + (output.map { [$0] } ?? [])
      + blocks.flatMap { block in Projection.allCases.compactMap { block.projections[$0] } }
  }

  /// The matrices that a pass multiplies with: the output's, which may be the embedding, and the projections.
  package var multiplied: [WeightMatrix] {
    [outputOrTied] + blocks.flatMap { block in Projection.allCases.compactMap { block.projections[$0] } }
  }

  public var parameterCount: Int {
    var count = matrices.reduce(finalNorm.count) { $0 + $1.rows * $1.columns }
    for block in blocks {
      count += block.attentionNorm.count + block.feedForwardNorm.count
      count += block.biases.values.reduce(0) { $0 + $1.count }
    }
    return count
  }
}

extension LoRAAdapter {
  /// Throws when the adapter doesn't fit a model of this shape.
  package func check(_ c: ModelConfiguration) throws(EngineError) {
    guard rank > 0, blocks.count == c.layerCount else {
      throw EngineError(
        .invalidArgument, "the adapter doesn't fit the model", at: "adapter",
        expected: "a rank above 0 and \(c.layerCount) blocks", found: "rank \(rank) and \(blocks.count) blocks",
        nextStep: "use an adapter that was made for this model")
    }
    for (index, block) in blocks.enumerated() {
      for (projection, pair) in block {
        let shape = projection.shape(in: c)
        let rank = rank(of: pair)
        guard rank > 0, pair.a.count == rank * shape.input, pair.b.count == rank * shape.output else {
          throw EngineError(
            .invalidArgument, "the adapter doesn't fit the model",
            at: "adapter, block \(index), \(projection.rawValue)",
            expected: "A of \(rank) × \(shape.input), B of \(shape.output) × \(rank)",
            found: "\(pair.a.count) and \(pair.b.count) values", nextStep: "use an adapter made for this model")
        }
      }
    }
  }
}
