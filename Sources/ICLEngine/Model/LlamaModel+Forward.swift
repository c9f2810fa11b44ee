extension LlamaModel {
  /// One pass over whole prompts, computed together; tokens that prompts share at their beginning are computed once.
  ///
  /// The result of each prompt has the same bits whatever else is in the batch and however many threads run.
  /// - Parameters:
  ///   - prompts: token ids, each prompt at least one and at most `contextLength` long
  ///   - capture: which states are kept
  ///   - adapter: a low-rank update applied on the fly
  /// - Returns: one value per prompt, in order.
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  /// - Complexity: linear in the distinct tokens, plus attention.
  public func forward(
    _ prompts: [[Int]], capture: CaptureRequest = CaptureRequest(), adapter: LoRAAdapter? = nil
  ) throws(EngineError) -> [HiddenStates] {
    try forward(prompts, capture: capture, adapter: adapter, interventions: [], cache: nil)
  }

  /// As ``forward(_:capture:adapter:)``, with changes on the way, and continuing from what `cache` knows and leaving
  /// there what was computed.
  ///
  /// Results have the same bits with and without a cache. What was captured before at a position is taken from there;
  /// other positions whose states are asked for are computed anew, and all of them where attention is asked for
  /// (``CaptureRequest/attention`` says why). Those that an intervention reaches, and all after
  /// them, are neither taken from the cache nor left there.
  /// - Parameters:
  ///   - interventions: in the order in which they act at the same place; none is a plain pass, to the bit
  ///   - cache: of this model; `nil` for none
  /// - Throws: `invalidArgument`, `contextOverflow`, `interrupted`
  public func forward(
    _ prompts: [[Int]], capture: CaptureRequest = CaptureRequest(), adapter: LoRAAdapter? = nil,
    interventions: [Intervention] = [], cache: PrefixCache? = nil
  ) throws(EngineError) -> [HiddenStates] {
    for (index, prompt) in prompts.enumerated() { try check(prompt, name: "prompt \(index)") }
    try adapter?.check(configuration)
    try cache?.claim(for: self)
    let c = configuration
    let plan = try InterventionPlan(interventions, prompts: prompts, in: c)
    let layers = try capture.layerSet(layerCount: c.layerCount)
    let heads = try capture.headList(headCount: c.headCount)
    var results: [HiddenStates] = []
    for (index, prompt) in prompts.enumerated() {
      let positions = try capture.positions.resolved(length: prompt.count, prompt: index, at: "capture request")
      results.append(
        HiddenStates(positions: positions, request: capture, layers: layers, heads: heads, in: c))
    }
    // What goes into a cache is whole; otherwise blocks that nothing asks for are left out.
    let blockCount = cache != nil ? c.layerCount : max(capture.blockCount(layers, in: c), plan.blockCount)

    let tree = PromptTree(prompts, keys: plan.isEmpty ? nil : plan.keys(prompts))
    // For each prompt, the positions that are still wanted and their places in the result.
    var slots = results.map { Dictionary(zip($0.positions, 0...), uniquingKeysWith: { first, _ in first }) }
    if let cache {
      for index in prompts.indices {
        let plain = plan.firstPosition(index) ?? prompts[index].count
        takeKnown(prompts[index], capture, cache, adapter, before: plain, &slots[index], &results[index])
      }
    }
    var batch = Batch(
      capture: capture, layers: layers, heads: heads, plan: plan, adapter: adapter, blockCount: blockCount)
    var chains: [[KeyValueLink]] = []
    var ends: [(tokens: [Int], chain: [KeyValueLink])] = []
    var computed = 0
    var room = Self.rows(of: tree.tokenCount)
    let isPassing = cache == nil && room == tree.tokenCount
    for node in tree.nodes {
      guard let representative = node.prompts.first else { continue }
      var chain = node.parent.map { chains[$0] } ?? []
      let end = node.start + node.tokens.count
      var at = node.start
      // Positions that are as in a plain pass.
      let plain = min(end, plan.firstPosition(representative) ?? end)
      // From the cache come those before the first one whose states are wanted.
      if let cache {
        let first = node.prompts.compactMap { slots[$0].keys.min() }.min() ?? end
        let known = Self.prefix(
          cache.lookUp(Array(prompts[representative][..<plain]), adapter: adapter), min(first, plain))
        let length = known.reduce(0) { $0 + $1.count }
        if length > at {
          chain = known
          at = length
        }
      }
      while at < end {
        let count = min(room - batch.wanted.count, end - at)
        let segment = KeyValueSegment(
          start: at, capacity: count, configuration: c, layers: blockCount, passing: isPassing)
        let tokens = Array(node.tokens[at - node.start..<at - node.start + count])
        batch.runs.append(TokenRun(tokens: tokens, start: at, path: chain, segment: segment, offset: 0))
        for position in at..<at + count {
          batch.wanted.append(node.prompts.compactMap { p in slots[p][position].map { (p, $0) } })
          batch.origins.append((representative, position))
        }
        chain.append(KeyValueLink(segment: segment, count: count))
        at += count
        computed += count
        if batch.wanted.count == room {
          try run(&batch, &results)
          room = Self.rows(of: tree.tokenCount - computed)
        }
      }
      chains.append(chain)
      if cache != nil, plain > 0 {
        ends.append((Array(prompts[representative][..<plain]), Self.prefix(chain, plain)))
      }
    }
    if !batch.runs.isEmpty { try run(&batch, &results) }
    if let cache {
      let bytes = 2 * c.layerCount * c.keyValueWidth * 4
      for (tokens, chain) in ends { cache.insert(tokens, chain, adapter: adapter, bytesPerToken: bytes) }
      for (index, prompt) in prompts.enumerated() where !slots[index].isEmpty {
        let plain = plan.firstPosition(index) ?? prompt.count
        let fresh = slots[index].filter { $0.key < plain }
        cache.keep(fresh.mapValues { Self.states(results[index], $0) }, of: prompt, adapter: adapter)
      }
      cache.count(reused: tree.tokenCount - computed, computed: computed)
    }
    return results
  }

  /// Fills a result with what the cache knows of positions before `plain`, and takes those that are whole out of
  /// `slots`. Attention isn't kept (``CaptureRequest/attention``): a request for it is computed.
  private func takeKnown(
    _ prompt: [Int], _ capture: CaptureRequest, _ cache: PrefixCache, _ adapter: LoRAAdapter?, before plain: Int,
    _ slots: inout [Int: Int], _ result: inout HiddenStates
  ) {
    let wanted = slots.keys.filter { $0 < plain }
    if wanted.isEmpty || !capture.attention.isEmpty { return }
    let keys = Array(result.rows.keys)
    for (position, states) in cache.states(prompt, at: wanted, adapter: adapter) {
      let isWhole = keys.allSatisfy { states.rows[$0] != nil } && (!capture.logits || states.logits != nil)
      guard isWhole, let slot = slots.removeValue(forKey: position) else { continue }
      for key in keys { if let row = states.rows[key] { result.rows[key]?[slot] = row } }
      if capture.logits, let logits = states.logits { result.logits[slot] = logits }
    }
  }

  /// One row of a result, for the cache.
  private static func states(_ result: HiddenStates, _ slot: Int) -> PrefixCache.States {
    PrefixCache.States(
      rows: result.rows.mapValues { $0[slot] }, logits: result.logits.isEmpty ? nil : result.logits[slot])
  }

  /// The first `length` positions of a chain.
  private static func prefix(_ chain: [KeyValueLink], _ length: Int) -> [KeyValueLink] {
    var result: [KeyValueLink] = []
    for link in chain where link.segment.start < length {
      result.append(KeyValueLink(segment: link.segment, count: min(link.count, length - link.segment.start)))
    }
    return result
  }

  /// Runs that wait to be computed together, and what is asked of them.
  private struct Batch {
    let capture: CaptureRequest
    let layers: Set<Int>
    let heads: [Int]
    let plan: InterventionPlan
    let adapter: LoRAAdapter?
    let blockCount: Int
    var runs: [TokenRun] = []
    /// For each row: the prompts, and the places in their results, that want its states.
    var wanted: [[(prompt: Int, slot: Int)]] = []
    /// For each row, the first prompt that runs through it, and its position.
    var origins: [(prompt: Int, position: Int)] = []

    mutating func removeRows() {
      runs = []
      wanted = []
      origins = []
    }
  }

  /// Rows that go through all blocks together. Bounds the memory of a pass; results don't depend on it.
  static let batchRows = 512

  /// How many of so many rows go first. A rest of up to a quarter goes along: every batch reads all weights.
  static func rows(of count: Int) -> Int { count <= batchRows + batchRows / 4 ? count : batchRows }

  private func run(_ batch: inout Batch, _ results: inout [HiddenStates]) throws(EngineError) {
    let wanted = batch.wanted
    var rows: [PassHooks.Row] = []
    for (row, origin) in batch.origins.enumerated() {
      let applications = batch.plan.applications(prompt: origin.prompt, position: origin.position)
      if wanted[row].isEmpty && applications.isEmpty { continue }
      rows.append(
        PassHooks.Row(
          row: row, prompt: origin.prompt, position: origin.position, applications: applications,
          isWanted: !wanted[row].isEmpty))
    }
    let capture = batch.capture
    let kept = KeptRows()
    let hooks = PassHooks(
      rows, rowCount: wanted.count, plan: batch.plan, request: capture, layers: batch.layers, heads: batch.heads
    ) { kept.rows.append(($0, $1, $2)) }
    let pass = ForwardPass(model: self, adapter: batch.adapter, pool: pool, blockCount: batch.blockCount)
    let last = try pass(batch.runs, hooks: rows.isEmpty ? nil : hooks, needed: [])
    // The final norm and the logits are computed for the wanted rows alone.
    let ends = rows.indices.filter { rows[$0].isWanted }
    if !ends.isEmpty && (capture.logits || capture.points.contains(.finalNorm)) {
      let chosen = FloatMatrix(rows: ends.count, columns: configuration.hiddenSize)
      for (index, end) in ends.enumerated() { chosen.copyRows(rows[end].row..<rows[end].row + 1, of: last, to: index) }
      let normed = finalNorm(chosen)
      let places = Dictionary(zip(ends, 0...), uniquingKeysWith: { first, _ in first })
      hooks.reach(.finalNorm, configuration.layerCount, normed) { places[$0] }
      if capture.logits {
        let logits = self.logits(normed)
        for (index, end) in ends.enumerated() {
          let values = logits.row(index)
          for (prompt, slot) in wanted[rows[end].row] { results[prompt].logits[slot] = values }
        }
      }
    }
    if let failure = hooks.failure { throw failure }
    for (key, row, values) in kept.rows {
      for (prompt, slot) in wanted[row] { results[prompt].rows[key]?[slot] = values }
    }
    let headPlaces = Dictionary(zip(batch.heads, 0...), uniquingKeysWith: { first, _ in first })
    for one in hooks.attentionRows {
      guard let head = headPlaces[one.head] else { continue }
      for (prompt, slot) in wanted[one.row] { results[prompt].attention[one.key]?[slot][head] = one.values }
    }
    batch.removeRows()
  }

  /// Rows of states on their way from a pass to its results.
  private final class KeptRows {
    var rows: [(key: HiddenStates.Key, row: Int, values: [Float])] = []
  }

  /// RMSNorm before the output, `[R, D]`.
  package func finalNorm(_ x: FloatMatrix) -> FloatMatrix {
    let y = FloatMatrix(rows: x.rows, columns: x.columns)
    Kernels.table.rms_norm_f32(
      x.pointer(), x.columns, weights.finalNorm, y.pointer(), y.columns, x.rows, x.columns, configuration.normEpsilon)
    return y
  }

  /// Logits `[R, V]` of final states `[R, D]`.
  package func logits(_ normed: FloatMatrix) -> FloatMatrix {
    let result = FloatMatrix(rows: normed.rows, columns: configuration.vocabularySize)
    let products = products()
    products.prepare(normed, rows: normed.rows)
    products.multiply([(weights.outputOrTied, result)])
    return result
  }

  /// Throws when a prompt is empty, too long, or names a token that doesn't exist.
  package func check(_ prompt: [Int], name: String) throws(EngineError) {
    guard !prompt.isEmpty else {
      throw EngineError(
        .invalidArgument, "a prompt has no tokens", at: name, expected: "at least one token", found: "none",
        nextStep: "encode with addSpecial, so that an empty text still has its BOS")
    }
    guard prompt.count <= configuration.contextLength else {
      throw EngineError(
        .contextOverflow, "a prompt is longer than the model's context", at: name,
        expected: "at most \(configuration.contextLength) tokens", found: "\(prompt.count)",
        nextStep: "use fewer or shorter demonstrations")
    }
    if let position = prompt.firstIndex(where: { !(0..<configuration.vocabularySize).contains($0) }) {
      throw EngineError(
        .invalidArgument, "a token id is outside the vocabulary", at: "\(name), position \(position)",
        expected: "0 to \(configuration.vocabularySize - 1)", found: "\(prompt[position])")
    }
  }
}
