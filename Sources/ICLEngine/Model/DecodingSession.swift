/// One token sequence that grows: keys and values of what has been read are kept, each new token costs one row.
///
/// Logits have the same bits as those of a forward pass over the whole sequence. A session belongs to one task.
public final class DecodingSession {
  public let model: LlamaModel
  public let adapter: LoRAAdapter?
  /// What has been read.
  public private(set) var tokens: [Int] = []
  private var chain: [KeyValueSegment] = []

  public init(_ model: LlamaModel, adapter: LoRAAdapter? = nil) throws(EngineError) {
    try adapter?.check(model.configuration)
    self.model = model
    self.adapter = adapter
  }

  /// Reads more tokens, at least one.
  /// - Returns: logits after the last of them, `[V]`.
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`; after an interruption the session still holds what it
  ///   held before.
  public func append(_ new: [Int]) throws(EngineError) -> [Float] {
    try model.check(new, name: "new tokens")
    let length = model.configuration.contextLength
    guard tokens.count + new.count <= length else {
      throw EngineError(
        .contextOverflow, "the text is longer than the model's context", at: "position \(length)",
        expected: "at most \(length) tokens", found: "\(tokens.count + new.count)",
        nextStep: "ask for fewer tokens or shorten the prompt")
    }
    let before = (tokens: tokens.count, segments: chain.count)
    do {
      var states: FloatMatrix?
      var rest = new[...]
      while !rest.isEmpty {
        states = try step(&rest)
      }
      guard let states else { preconditionFailure("check(_:name:) refuses an empty list") }
      let last = FloatMatrix(rows: 1, columns: model.configuration.hiddenSize)
      last.copyRows(states.rows - 1..<states.rows, of: states, to: 0)
      return model.logits(model.finalNorm(last)).row(0)
    } catch {
      // Only interruption comes here: forget what was half read.
      tokens.removeLast(tokens.count - before.tokens)
      chain.removeLast(chain.count - before.segments)
      for segment in chain { segment.count = min(segment.count, before.tokens - segment.start) }
      throw error
    }
  }

  /// Reads as many tokens as fit the last segment, or a new one.
  private func step(_ rest: inout ArraySlice<Int>) throws(EngineError) -> FloatMatrix {
    if chain.last.map({ $0.count == $0.capacity }) ?? true {
      let room = model.configuration.contextLength - tokens.count
      let capacity = min(room, max(Self.growth, min(rest.count, LlamaModel.batchRows)))
      chain.append(KeyValueSegment(start: tokens.count, capacity: capacity, configuration: model.configuration))
    }
    let segment = chain[chain.count - 1]
    let count = min(rest.count, segment.capacity - segment.count)
    let part = Array(rest.prefix(count))
    let path = chain.dropLast().map { KeyValueLink(segment: $0, count: $0.count) }
    let run = TokenRun(tokens: part, start: tokens.count, path: path, segment: segment, offset: segment.count)
    let states = try ForwardPass(model: model, adapter: adapter, pool: model.pool)([run]) { _, _, _ in }
    tokens += part
    rest = rest.dropFirst(count)
    return states
  }

  /// Positions that a session makes room for at a time.
  private static let growth = 64
}
