/// One token sequence that grows: keys and values of what has been read are kept, each new token costs one row.
///
/// Logits have the same bits as those of a forward pass over the whole sequence. A session belongs to one task.
public final class DecodingSession {
  public let model: LlamaModel
  public let adapter: LoRAAdapter?
  /// Changes on the way; see ``init(_:adapter:interventions:)``.
  public let interventions: [Intervention]
  /// What has been read.
  public private(set) var tokens: [Int] = []
  private var chain: [KeyValueSegment] = []
  /// Of the first tokens that were read, the prompt.
  private var plan: InterventionPlan?

  /// - Parameter interventions: their positions are those of the first tokens that are read, the prompt (number 0);
  ///   `.all` and `.from` go on acting on what follows it
  /// - Throws: `invalidArgument` when the adapter doesn't fit the model
  public init(
    _ model: LlamaModel, adapter: LoRAAdapter? = nil, interventions: [Intervention] = []
  ) throws(EngineError) {
    try adapter?.check(model.configuration)
    self.model = model
    self.adapter = adapter
    self.interventions = interventions
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
    if tokens.isEmpty { plan = try InterventionPlan(interventions, prompts: [new], in: model.configuration) }
    do throws(EngineError) {
      var states: FloatMatrix?
      var rest = new[...]
      while !rest.isEmpty {
        states = try step(&rest)
      }
      guard let states else { preconditionFailure("check(_:name:) refuses an empty list") }
      let last = FloatMatrix(rows: 1, columns: model.configuration.hiddenSize)
      last.copyRows(states.rows - 1..<states.rows, of: states, to: 0)
      let normed = model.finalNorm(last)
      let hooks = hooks(tokens.count - 1, 1)
      hooks?.reach(.finalNorm, model.configuration.layerCount, normed)
      if let failure = hooks?.failure { throw failure }
      return model.logits(normed).row(0)
    } catch {
      // Interruption, or an intervention's closure that can't be: forget what was half read.
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
    let hooks = hooks(tokens.count, count)
    let pass = ForwardPass(model: model, adapter: adapter, pool: model.pool)
    let states = try pass([run], hooks: hooks, needed: [count - 1])
    if let failure = hooks?.failure { throw failure }
    tokens += part
    rest = rest.dropFirst(count)
    return states
  }

  /// What acts on some consecutive positions; `nil` for nothing.
  private func hooks(_ start: Int, _ count: Int) -> PassHooks? {
    guard let plan, !plan.isEmpty else { return nil }
    var rows: [PassHooks.Row] = []
    for position in start..<start + count {
      let applications = plan.continued(position)
      if applications.isEmpty { continue }
      rows.append(
        PassHooks.Row(
          row: position - start, prompt: 0, position: position, applications: applications, isWanted: false))
    }
    if rows.isEmpty { return nil }
    return PassHooks(
      rows, rowCount: count, plan: plan, request: CaptureRequest(points: []), layers: [], heads: []
    ) { _, _, _ in }
  }

  /// Positions that a session makes room for at a time.
  private static let growth = 64
}
