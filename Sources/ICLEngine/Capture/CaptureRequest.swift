/// Which states a forward pass keeps. What is not asked for is neither stored nor, beyond the deepest layer that
/// anything asked for needs, computed.
public struct CaptureRequest: Sendable, Equatable {
  public enum Layers: Sendable, Equatable {
    case all
    case last
    /// 0 for the embeddings, `i` for block `i` (1-based).
    case some([Int])
  }
  /// Positions count from 0; negative ones count from the prompt's end.
  public indirect enum Positions: Sendable, Equatable {
    case last
    case all
    case some([Int])
    /// From the first to the last of the two, both included: `.range(-3 ... -1)` are the last three.
    case range(ClosedRange<Int>)
    /// This position and all after it.
    case from(Int)
    /// One choice for each prompt of a batch.
    case perPrompt([Positions])
  }
  public var points: Set<CapturePoint>
  public var layers: Layers
  public var positions: Positions
  /// Whether logits are computed at the chosen positions.
  public var logits: Bool
  /// What is kept of the attention in the chosen layers (from 1 on), with the chosen positions as queries.
  ///
  /// A ``PrefixCache`` doesn't keep these rows: one position's are `L·H·(position + 1)` numbers, more than its keys, values
  /// and states together from some hundred tokens on. A pass that asks for them takes all before the first chosen position
  /// from the cache and computes that position and those behind it, so that at the last position it costs one token. The
  /// bits are those of a pass without a cache.
  public var attention: Set<AttentionPoint>
  /// The heads whose attention is kept, from 0; `nil` for all.
  public var heads: [Int]?

  public init(
    points: Set<CapturePoint> = [.residual], layers: Layers = .all, positions: Positions = .last, logits: Bool = false,
    attention: Set<AttentionPoint> = [], heads: [Int]? = nil
  ) {
    self.points = points
    self.layers = layers
    self.positions = positions
    self.logits = logits
    self.attention = attention
    self.heads = heads
  }

  /// Bytes of values that a pass over prompts of these lengths keeps: what ``HiddenStates/byteCount`` adds up to.
  /// - Throws: `invalidArgument` when the request doesn't fit the model or the prompts
  public func byteCount(promptLengths: [Int], in c: ModelConfiguration) throws(EngineError) -> Int {
    let layers = try layerSet(layerCount: c.layerCount)
    let heads = try headList(headCount: c.headCount)
    var floats = 0
    for (index, length) in promptLengths.enumerated() {
      let chosen = try positions.resolved(length: length, prompt: index, at: "capture request")
      let rowFloats = Self.keys(points, layers: layers, in: c).reduce(0) { $0 + $1.point.width(in: c) }
      floats += chosen.count * (rowFloats + (logits ? c.vocabularySize : 0))
      let blocks = layers.count(where: { $0 > 0 })
      floats += attention.count * blocks * heads.count * chosen.reduce(0) { $0 + $1 + 1 }
    }
    return floats * 4
  }
}

extension CaptureRequest {
  /// The chosen layers, 0 for the embeddings; throws for a layer that the model doesn't have.
  func layerSet(layerCount: Int) throws(EngineError) -> Set<Int> {
    switch layers {
    case .all: return Set(0...layerCount)
    case .last: return [layerCount]
    case .some(let list):
      for layer in list where !(0...layerCount).contains(layer) {
        throw EngineError(
          .invalidArgument, "the model has no such layer", at: "capture request",
          expected: "0 (the embeddings) to \(layerCount)", found: "\(layer)")
      }
      return Set(list)
    }
  }

  /// The chosen heads, each once; throws for one that the model doesn't have.
  func headList(headCount: Int) throws(EngineError) -> [Int] {
    guard let heads else { return Array(0..<headCount) }
    var result: [Int] = []
    for head in heads {
      guard (0..<headCount).contains(head) else {
        throw EngineError(
          .invalidArgument, "the model has no such head", at: "capture request", expected: "0 to \(headCount - 1)",
          found: "\(head)")
      }
      if !result.contains(head) { result.append(head) }
    }
    return result
  }

  /// What is kept of states.
  static func keys(
    _ points: Set<CapturePoint>, layers: Set<Int>, in c: ModelConfiguration
  ) -> [HiddenStates.Key] {
    var keys: [HiddenStates.Key] = []
    for point in points {
      switch point {
      case .finalNorm: keys.append(.init(point, layer: c.layerCount))
      case .residual: keys += layers.map { .init(point, layer: $0) }
      case .headOutputs, .attentionOutput, .feedForwardOutput:
        keys += layers.filter { $0 > 0 }.map { .init(point, layer: $0) }
      }
    }
    return keys
  }

  /// Blocks that have to be computed for what is asked.
  func blockCount(_ layers: Set<Int>, in c: ModelConfiguration) -> Int {
    if logits || points.contains(.finalNorm) { return c.layerCount }
    return points.isEmpty && attention.isEmpty ? 0 : layers.max() ?? 0
  }
}

extension CaptureRequest.Positions {
  /// The chosen positions of a prompt, from 0, each once, in the order of the choice.
  /// - Parameters:
  ///   - length: tokens of the prompt
  ///   - prompt: its place in the batch
  ///   - place: who asks, for errors
  /// - Throws: `invalidArgument` for a position outside the prompt
  package func resolved(length: Int, prompt: Int, at place: String) throws(EngineError) -> [Int] {
    func refusal(_ position: Int) -> EngineError {
      EngineError(
        .invalidArgument, "the prompt has no such position", at: "\(place), prompt \(prompt)",
        expected: "\(-length) to \(length - 1)", found: "\(position)")
    }
    func absolute(_ position: Int) throws(EngineError) -> Int {
      let place = position < 0 ? length + position : position
      guard (0..<length).contains(place) else { throw refusal(position) }
      return place
    }
    switch self {
    case .last: return [length - 1]
    case .all: return Array(0..<length)
    case .some(let list):
      var result: [Int] = []
      for position in list {
        let place = try absolute(position)
        if !result.contains(place) { result.append(place) }
      }
      return result
    case .range(let range):
      let (first, last) = (try absolute(range.lowerBound), try absolute(range.upperBound))
      guard first <= last else {
        throw EngineError(
          .invalidArgument, "a range of positions ends before it begins", at: "\(place), prompt \(prompt)",
          expected: "the first not after the last", found: "\(first) to \(last)")
      }
      return Array(first...last)
    case .from(let first): return Array(try absolute(first)..<length)
    case .perPrompt(let list):
      guard list.indices.contains(prompt) else {
        throw EngineError(
          .invalidArgument, "positions are missing for a prompt", at: place, expected: "one choice for each prompt",
          found: "\(list.count), and none for prompt \(prompt)")
      }
      return try list[prompt].resolved(length: length, prompt: prompt, at: place)
    }
  }
}
