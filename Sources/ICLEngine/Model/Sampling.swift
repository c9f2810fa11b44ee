/// How the next token is chosen from logits.
public struct Sampling: Sendable, Equatable, Codable {
  /// 0 takes the most likely token always.
  public var temperature: Double
  /// Only the `topK` most likely tokens; `nil` for all.
  public var topK: Int?
  /// Only the most likely tokens that together hold this probability (nucleus sampling; Holtzman et al. 2020).
  public var topP: Double
  public var seed: UInt64

  public init(temperature: Double = 1, topK: Int? = nil, topP: Double = 1, seed: UInt64 = 0) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.seed = seed
  }

  /// The most likely token; of equals the one with the lowest id.
  public static let greedy = Sampling(temperature: 0)

  /// Throws `invalidArgument` when a value is outside its domain.
  public func check() throws(EngineError) {
    guard temperature >= 0, temperature.isFinite, topP > 0, topP <= 1, topK ?? 1 >= 1 else {
      throw EngineError(
        .invalidArgument, "a sampling option is outside its domain", at: "sampling",
        expected: "temperature ≥ 0, 0 < topP ≤ 1, topK ≥ 1",
        found: "temperature \(temperature), topP \(topP), topK \(topK.map(String.init) ?? "none")")
    }
  }

  /// Draws a token. The same logits, options and state of `generator` give the same token on every machine.
  public func choose(_ logits: [Float], using generator: inout SeededGenerator) -> Int {
    precondition(!logits.isEmpty)
    if temperature == 0 { return Self.greatest(logits) }
    let order = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
    let kept = order.prefix(topK ?? order.count)
    let most = Double(logits[kept[0]])
    let weights = kept.map { ReproducibleMath.exp((Double(logits[$0]) - most) / temperature) }
    let total = weights.reduce(0, +)
    var count = 0
    var mass = 0.0
    while count < weights.count, count == 0 || mass < topP * total {
      mass += weights[count]
      count += 1
    }
    var point = generator.uniform() * mass
    for (index, weight) in weights.prefix(count).enumerated() {
      point -= weight
      if point < 0 { return kept[index] }
    }
    return kept[count - 1]
  }

  /// The index of the greatest value, the first of equals; values that are not numbers are passed over.
  package static func greatest(_ logits: [Float]) -> Int {
    var best = 0
    for (index, value) in logits.enumerated() where value > logits[best] || logits[best].isNaN { best = index }
    return best
  }
}

/// A continuation that a model wrote.
public struct Generation: Sendable, Equatable, Codable {
  /// Ids of the prompt, special tokens included.
  public let prompt: [Int]
  /// Ids of the continuation.
  public let tokens: [Int]
  /// The continuation as text.
  public let text: String
  public let stop: Stop

  public enum Stop: String, Sendable, Codable {
    /// The model wrote its end-of-sequence (or began a new sequence).
    case end
    /// As many tokens as were asked for.
    case length
    /// The context is full.
    case context
    /// The user interrupted; the text up to there is whole.
    case interrupted
  }
}

extension LlamaModel {
  /// Continues a prompt by at most `count` tokens.
  ///
  /// - Parameters:
  ///   - prompt: token ids, at least one
  ///   - interventions: as in ``DecodingSession/init(_:adapter:interventions:)``
  ///   - stopsAtEnd: whether EOS, BOS or the end of a turn ends the text; otherwise they are tokens like any other
  ///   - onToken: called with each token as it comes
  /// - Throws: `invalidArgument`, `contextOverflow`; an interruption ends the text instead.
  public func generate(
    _ prompt: [Int], count: Int, sampling: Sampling = .greedy, adapter: LoRAAdapter? = nil,
    interventions: [Intervention] = [], stopsAtEnd: Bool = true, onToken: (Int) -> Void = { _ in }
  ) throws(EngineError) -> Generation {
    try sampling.check()
    guard count >= 0 else {
      throw EngineError(
        .invalidArgument, "a text can't have fewer than no tokens", at: "count", expected: "0 or more",
        found: "\(count)")
    }
    let session = try DecodingSession(self, adapter: adapter, interventions: interventions)
    var generator = SeededGenerator(seed: sampling.seed, stream: "sampling")
    var tokens: [Int] = []
    var stop = Generation.Stop.length
    var logits = try session.append(prompt)
    while tokens.count < count {
      let next = sampling.choose(logits, using: &generator)
      if stopsAtEnd, next == tokenizer.beginToken || tokenizer.stopTokens.contains(next) {
        stop = .end
        break
      }
      tokens.append(next)
      onToken(next)
      if tokens.count == count { break }
      if session.tokens.count == configuration.contextLength {
        stop = .context
        break
      }
      do {
        logits = try session.append([next])
      } catch {
        guard error.code == .interrupted else { throw error }
        stop = .interrupted
        break
      }
    }
    // The whole text less the prompt's: so a first word keeps its space.
    let text = tokenizer.bytes(prompt + tokens).dropFirst(tokenizer.bytes(prompt).count)
    return Generation(prompt: prompt, tokens: tokens, text: String(decoding: text, as: UTF8.self), stop: stop)
  }
}
