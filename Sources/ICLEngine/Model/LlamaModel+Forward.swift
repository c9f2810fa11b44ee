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
    try forward(prompts, capture: capture, adapter: adapter, cache: nil)
  }

  /// As ``forward(_:capture:adapter:)``, continuing from what `cache` knows and leaving there what was computed. The
  /// results have the same bits with and without it. Positions whose states are asked for are computed anew.
  public func forward(
    _ prompts: [[Int]], capture: CaptureRequest, adapter: LoRAAdapter?, cache: PrefixCache?
  ) throws(EngineError) -> [HiddenStates] {
    for (index, prompt) in prompts.enumerated() { try check(prompt, name: "prompt \(index)") }
    try adapter?.check(configuration)
    try cache?.claim(for: self)
    let layers = try capture.layerSet(layerCount: configuration.layerCount)
    var results: [HiddenStates] = []
    for (index, prompt) in prompts.enumerated() {
      let positions = try capture.positions(promptLength: prompt.count, name: "prompt \(index)")
      results.append(HiddenStates(positions: positions, points: capture.points, layers: layers, in: configuration))
    }

    let tree = PromptTree(prompts)
    let slots = results.map { Dictionary(zip($0.positions, 0...), uniquingKeysWith: { first, _ in first }) }
    var batch = Batch()
    var chains: [[KeyValueLink]] = []
    var ends: [(tokens: [Int], chain: [KeyValueLink])] = []
    var computed = 0
    for node in tree.nodes {
      var chain = node.parent.map { chains[$0] } ?? []
      let end = node.start + node.tokens.count
      var at = node.start
      // From the cache come the positions before the first one whose states are wanted.
      if let cache, at == chain.reduce(0, { $0 + $1.count }), let prompt = node.prompts.first {
        let first = node.prompts.compactMap { results[$0].positions.min() }.min() ?? end
        let known = Self.prefix(cache.lookUp(Array(prompts[prompt][..<end]), adapter: adapter), min(first, end))
        let length = known.reduce(0) { $0 + $1.count }
        if length > at {
          chain = known
          at = length
        }
      }
      while at < end {
        let count = min(Self.batchRows - batch.wanted.count, end - at)
        let segment = KeyValueSegment(start: at, capacity: count, configuration: configuration)
        let tokens = Array(node.tokens[at - node.start..<at - node.start + count])
        batch.runs.append(TokenRun(tokens: tokens, start: at, path: chain, segment: segment, offset: 0))
        for position in at..<at + count {
          batch.wanted.append(node.prompts.compactMap { p in slots[p][position].map { (p, $0) } })
        }
        chain.append(KeyValueLink(segment: segment, count: count))
        at += count
        computed += count
        if batch.wanted.count == Self.batchRows { try run(&batch, capture, layers, adapter, &results) }
      }
      chains.append(chain)
      if cache != nil, let prompt = node.prompts.first { ends.append((Array(prompts[prompt][..<end]), chain)) }
    }
    if !batch.runs.isEmpty { try run(&batch, capture, layers, adapter, &results) }
    if let cache {
      let bytes = 2 * configuration.layerCount * configuration.keyValueWidth * 4
      for (tokens, chain) in ends { cache.insert(tokens, chain, adapter: adapter, bytesPerToken: bytes) }
      cache.count(reused: tree.tokenCount - computed, computed: computed)
    }
    return results
  }

  /// The first `length` positions of a chain.
  private static func prefix(_ chain: [KeyValueLink], _ length: Int) -> [KeyValueLink] {
    var result: [KeyValueLink] = []
    for link in chain where link.segment.start < length {
      result.append(KeyValueLink(segment: link.segment, count: min(link.count, length - link.segment.start)))
    }
    return result
  }

  /// Runs that wait to be computed together.
  private struct Batch {
    var runs: [TokenRun] = []
    /// For each row: the prompts, and the places in their results, that want its states.
    var wanted: [[(prompt: Int, slot: Int)]] = []
  }

  /// Rows that go through all blocks together. Bounds the memory of a pass; results don't depend on it.
  static let batchRows = 512

  private func run(
    _ batch: inout Batch, _ capture: CaptureRequest, _ layers: Set<Int>, _ adapter: LoRAAdapter?,
    _ results: inout [HiddenStates]
  ) throws(EngineError) {
    let wanted = batch.wanted
    let rows = wanted.indices.filter { !wanted[$0].isEmpty }
    func deliver(_ point: CapturePoint, _ layer: Int, _ states: FloatMatrix) {
      // The final norm is computed for the wanted rows alone.
      for (index, row) in rows.enumerated() {
        let values = states.row(point == .finalNorm ? index : row)
        for (prompt, slot) in wanted[row] {
          results[prompt].rows[HiddenStates.Key(point, layer: layer)]?[slot] = values
        }
      }
    }
    let last = try ForwardPass(model: self, adapter: adapter, pool: pool)(batch.runs) { point, layer, states in
      if capture.points.contains(point) && layers.contains(layer) { deliver(point, layer, states) }
    }
    if !rows.isEmpty && (capture.logits || capture.points.contains(.finalNorm)) {
      let chosen = FloatMatrix(rows: rows.count, columns: configuration.hiddenSize)
      for (index, row) in rows.enumerated() { chosen.copyRows(row..<row + 1, of: last, to: index) }
      let normed = finalNorm(chosen)
      if capture.points.contains(.finalNorm) { deliver(.finalNorm, configuration.layerCount, normed) }
      if capture.logits {
        let logits = self.logits(normed)
        for (index, row) in rows.enumerated() {
          let values = logits.row(index)
          for (prompt, slot) in wanted[row] { results[prompt].logits[slot] = values }
        }
      }
    }
    batch = Batch()
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
    Products.multiply(normed, weights.outputOrTied, into: result, rows: normed.rows, pool: pool)
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
