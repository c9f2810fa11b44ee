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
    for (index, prompt) in prompts.enumerated() { try check(prompt, name: "prompt \(index)") }
    try adapter?.check(configuration)
    let layers = try capture.layerSet(layerCount: configuration.layerCount)
    var results: [HiddenStates] = []
    for (index, prompt) in prompts.enumerated() {
      let positions = try capture.positions(promptLength: prompt.count, name: "prompt \(index)")
      results.append(HiddenStates(positions: positions, points: capture.points, layers: layers, in: configuration))
    }

    let tree = PromptTree(prompts)
    var chains: [[KeyValueLink]] = []
    var batch: [TokenRun] = []
    /// For each row of the batch: the prompts and places in their results that want it.
    var wanted: [[(prompt: Int, slot: Int)]] = []
    let slots = results.map { Dictionary(zip($0.positions, 0...), uniquingKeysWith: { first, _ in first }) }

    for node in tree.nodes {
      var chain = node.parent.map { chains[$0] } ?? []
      var done = 0
      while done < node.tokens.count {
        let room = Self.batchRows - wanted.count
        let count = min(room, node.tokens.count - done)
        let start = node.start + done
        let segment = KeyValueSegment(start: start, capacity: count, configuration: configuration)
        batch.append(
          TokenRun(
            tokens: Array(node.tokens[done..<done + count]), start: start, path: chain, segment: segment, offset: 0))
        for position in start..<start + count {
          wanted.append(node.prompts.compactMap { p in slots[p][position].map { (p, $0) } })
        }
        chain.append(KeyValueLink(segment: segment, count: count))
        done += count
        if wanted.count == Self.batchRows { try run(&batch, &wanted, capture, layers, adapter, &results) }
      }
      chains.append(chain)
    }
    if !batch.isEmpty { try run(&batch, &wanted, capture, layers, adapter, &results) }
    return results
  }

  /// Rows that go through all blocks together. Bounds the memory of a pass; results don't depend on it.
  static let batchRows = 512

  private func run(
    _ batch: inout [TokenRun], _ wanted: inout [[(prompt: Int, slot: Int)]], _ capture: CaptureRequest,
    _ layers: Set<Int>, _ adapter: LoRAAdapter?, _ results: inout [HiddenStates]
  ) throws(EngineError) {
    let rows = wanted.indices.filter { !wanted[$0].isEmpty }
    func deliver(_ point: CapturePoint, _ layer: Int, _ states: FloatMatrix, at place: (Int) -> Int) {
      for (index, row) in rows.enumerated() {
        let values = states.row(place(point == .finalNorm ? index : row))
        for (prompt, slot) in wanted[row] {
          results[prompt].rows[HiddenStates.Key(point, layer: layer)]?[slot] = values
        }
      }
    }
    let last = try ForwardPass(model: self, adapter: adapter, pool: pool)(batch) { point, layer, states in
      if capture.points.contains(point) && layers.contains(layer) { deliver(point, layer, states) { $0 } }
    }
    if !rows.isEmpty && (capture.logits || capture.points.contains(.finalNorm)) {
      let chosen = FloatMatrix(rows: rows.count, columns: configuration.hiddenSize)
      for (index, row) in rows.enumerated() { chosen.copyRows(row..<row + 1, of: last, to: index) }
      let normed = finalNorm(chosen)
      if capture.points.contains(.finalNorm) { deliver(.finalNorm, configuration.layerCount, normed) { $0 } }
      if capture.logits {
        let logits = self.logits(normed)
        for (index, row) in rows.enumerated() {
          let values = logits.row(index)
          for (prompt, slot) in wanted[row] { results[prompt].logits[slot] = values }
        }
      }
    }
    batch.removeAll()
    wanted.removeAll()
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
