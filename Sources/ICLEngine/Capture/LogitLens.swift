/// What a model would say if it stopped after each layer: the final norm and the output matrix applied to the residual
/// stream on its way (nostalgebraist 2020, "interpreting GPT: the logit lens").
public struct LogitLens: Sendable, Equatable, Codable {
  public struct Candidate: Sendable, Equatable, Codable {
    public let token: Int
    /// The vocabulary's own text.
    public let piece: String
    public let probability: Double
  }

  /// One layer at one position.
  public struct Cell: Sendable, Equatable, Codable {
    /// The likeliest next tokens, the likeliest first; of equals the one of the smaller id.
    public let top: [Candidate]
    /// Place of the position's target among all tokens, from 1.
    public let targetRank: Int
    public let targetProbability: Double
    /// Kullback-Leibler divergence of the model's final distribution from this one, `Σ p ln(p / q)` with `p` the final
    /// one, in nats; 0 in the last layer.
    public let divergence: Double
  }

  /// The prompt.
  public let tokens: [Int]
  public let pieces: [String]
  /// Which positions of the prompt, from 0.
  public let positions: [Int]
  /// Which layers, 0 for the embeddings, ascending.
  public let layers: [Int]
  /// Whose rank and probability are followed at each position: the given token, or what the model says in the end.
  public let targets: [Candidate]
  /// `[layer][position]`, in the order of `layers` and `positions`.
  public let cells: [[Cell]]
  /// The token that was to be followed everywhere; `nil` for what the model says in the end at each position.
  public let target: Int?
  /// Of a large model without the file's checksum, unless it was known already.
  public let model: ModelProvenance
  /// Whether an adapter or interventions changed the model.
  public let isChanged: Bool
}

extension LlamaModel {
  /// The logit lens on a prompt.
  /// - Parameters:
  ///   - prompt: token ids
  ///   - top: how many candidates are kept of each place, at least 1
  ///   - target: a token that is followed at all positions; `nil` for what the model says in the end at each
  /// - Returns: probabilities in double precision, the same bits on every machine
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  /// - Complexity: a pass over the prompt and, for each layer and position, a product with the output matrix
  public func logitLens(
    _ prompt: [Int], layers: CaptureRequest.Layers = .all, positions: CaptureRequest.Positions = .all, top: Int = 5,
    target: Int? = nil, adapter: LoRAAdapter? = nil, interventions: [Intervention] = []
  ) throws(EngineError) -> LogitLens {
    guard (1...configuration.vocabularySize).contains(top) else {
      throw EngineError(
        .invalidArgument, "a lens shows between one token and all", at: "logit lens, top",
        expected: "1 to \(configuration.vocabularySize)", found: "\(top)")
    }
    if let target, !(0..<configuration.vocabularySize).contains(target) {
      throw EngineError(
        .invalidArgument, "a token id is outside the vocabulary", at: "logit lens, target",
        expected: "0 to \(configuration.vocabularySize - 1)", found: "\(target)")
    }
    let request = CaptureRequest(points: [.residual, .finalNorm], layers: layers, positions: positions)
    let states = try forward([prompt], capture: request, adapter: adapter, interventions: interventions)[0]
    let order = try request.layerSet(layerCount: configuration.layerCount).sorted()
    let final = states.final ?? []
    var cells = [[LogitLens.Cell]](repeating: [], count: order.count)
    var targets: [LogitLens.Candidate] = []
    // A few positions at a time: all logits of all layers would be large.
    for first in stride(from: 0, to: states.positions.count, by: Self.lensRows) {
      let part = first..<min(first + Self.lensRows, states.positions.count)
      let ends = logits(matrix(final[part])).values.split(rows: part.count).map(Distribution.init)
      let followed = ends.map { target ?? $0.greatest }
      for (end, token) in zip(ends, followed) {
        targets.append(
          LogitLens.Candidate(
            token: token, piece: tokenizer.piece(token), probability: end.probability(token)))
      }
      for (index, layer) in order.enumerated() {
        try Interruption.check()
        guard let rows = states.residual(layer) else { continue }
        let here = lensLogits(matrix(rows[part])).values.split(rows: part.count).map(Distribution.init)
        for ((one, end), token) in zip(zip(here, ends), followed) {
          cells[index].append(
            LogitLens.Cell(
              top: one.top(top).map {
                LogitLens.Candidate(token: $0, piece: tokenizer.piece($0), probability: one.probability($0))
              }, targetRank: one.rank(token), targetProbability: one.probability(token),
              divergence: end.divergence(from: one)))
        }
      }
    }
    return LogitLens(
      tokens: prompt, pieces: prompt.map(tokenizer.piece), positions: states.positions, layers: order,
      targets: targets, cells: cells, target: target, model: knownProvenance,
      isChanged: adapter != nil || !interventions.isEmpty)
  }

  /// Final norm and output matrix applied to any states of the residual stream.
  /// - Parameter states: `[row, D]`
  /// - Returns: logits `[row, V]`
  /// - Throws: `invalidArgument` when a row has another width
  public func lensLogits(_ states: [[Float]]) throws(EngineError) -> [[Float]] {
    if let row = states.first(where: { $0.count != configuration.hiddenSize }) {
      throw EngineError(
        .invalidArgument, "a state has not the width of the residual stream", at: "logit lens",
        expected: "\(configuration.hiddenSize) values", found: "\(row.count)")
    }
    return lensLogits(matrix(states[...])).values.split(rows: states.count)
  }

  private func lensLogits(_ states: FloatMatrix) -> FloatMatrix { logits(finalNorm(states)) }

  private func matrix(_ rows: ArraySlice<[Float]>) -> FloatMatrix {
    let matrix = FloatMatrix(rows: rows.count, columns: configuration.hiddenSize)
    for (index, row) in rows.enumerated() { matrix.setRow(index, to: row) }
    return matrix
  }

  /// Positions whose logits are there at the same time, for two layers.
  private static let lensRows = 32
}

/// The softmax of a row of logits, in double precision.
private struct Distribution {
  let logits: [Float]
  /// `ln Σ exp(logit)`
  let logSum: Double

  init(_ logits: [Float]) {
    self.logits = logits
    let most = Double(logits.max() ?? 0)
    logSum = most + ReproducibleMath.log(logits.reduce(0) { $0 + ReproducibleMath.exp(Double($1) - most) })
  }

  var greatest: Int { Sampling.greatest(logits) }

  func probability(_ token: Int) -> Double { ReproducibleMath.exp(Double(logits[token]) - logSum) }

  func top(_ count: Int) -> [Int] {
    // The greatest few by insertion: their number is small.
    var best: [Int] = []
    for (token, value) in logits.enumerated() {
      if best.count == count, let last = best.last, !(value > logits[last]) { continue }
      let place = best.firstIndex { value > logits[$0] } ?? best.count
      best.insert(token, at: place)
      if best.count > count { best.removeLast() }
    }
    return best
  }

  /// From 1; of equals the smaller id comes first.
  func rank(_ token: Int) -> Int {
    var rank = 1
    for (other, value) in logits.enumerated() where value > logits[token] || (value == logits[token] && other < token) {
      rank += 1
    }
    return rank
  }

  func divergence(from other: Distribution) -> Double {
    var sum = 0.0
    for (mine, theirs) in zip(logits, other.logits) {
      let log = Double(mine) - logSum
      sum += ReproducibleMath.exp(log) * (log - (Double(theirs) - other.logSum))
    }
    return sum
  }
}

extension [Float] {
  fileprivate func split(rows: Int) -> [[Float]] {
    let columns = count / Swift.max(1, rows)
    return (0..<rows).map { Array(self[$0 * columns..<($0 + 1) * columns]) }
  }
}
