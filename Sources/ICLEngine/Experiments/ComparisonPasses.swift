extension ComparisonRun {
  /// What was read of all queries under one condition.
  struct Pass: Sendable {
    /// `[place][query][width]`, places as in ``Repetition``.
    var states: [[[Float]]]
    /// `[query][V]`, after the prompt's last token.
    var logits: [[Float]]
    /// Attention logits of the prompt's last token over the query's own tokens, `[block][query][head][token]`; empty when
    /// no measure reads them.
    var attention: [[[[Float]]]] = []
    /// The same over the whole prompt, `[block][query][head][position]`; empty unless it was asked for.
    var wholeAttention: [[[[Float]]]] = []
    /// Attention outputs at the prompt's last token, `[block][query][D]`; empty when no measure reads them.
    var attentionOutputs: [[[Float]]] = []

    /// The queries of this one, then those of the other.
    func joined(_ other: Pass) -> Pass {
      func joined<T>(_ a: [[T]], _ b: [[T]]) -> [[T]] { zip(a, b).map { $0 + $1 } }
      return Pass(
        states: joined(states, other.states), logits: logits + other.logits,
        attention: joined(attention, other.attention), wholeAttention: joined(wholeAttention, other.wholeAttention),
        attentionOutputs: joined(attentionOutputs, other.attentionOutputs))
    }

    /// Each query in the place of the one before it, the first in that of the last.
    var shifted: Pass {
      func shifted<T>(_ list: [T]) -> [T] { list.isEmpty ? [] : Array(list.dropFirst()) + [list[0]] }
      return Pass(
        states: states.map(shifted), logits: shifted(logits), attention: attention.map(shifted),
        attentionOutputs: attentionOutputs.map(shifted))
    }
  }

  /// The prompts of some queries, and where they are read.
  /// - Throws: `invalidArgument` when a query has no such token
  func readings(
    _ builder: PromptBuilder, _ queries: [Draw.Example], after demonstrations: [Draw.Example]
  ) throws(EngineError) -> [PromptReading] {
    try queries.map { query throws(EngineError) in
      try builder.reading(query, after: demonstrations, at: spec.positions)
    }
  }

  /// - Parameter wholeAttention: whether attention to what stands before the query is kept too
  func states(
    _ model: any ExperimentModel, _ readings: [PromptReading], _ adapter: LoRAAdapter?, wholeAttention: Bool = false
  ) throws(EngineError) -> Pass {
    try Interruption.check()
    let layerCount = model.configuration.layerCount
    let readsAttention = spec.measures.contains(where: \.readsAttention)
    let readsOutput = spec.measures.contains(where: \.readsAttentionOutput)
    let statePoints: Set<CapturePoint> = [.residual, .finalNorm, spec.point.inBlocks]
    // The last token's pass gives the states too, unless they are those of another token.
    let isLast = spec.positions == .last
    let ends = try model.forward(
      readings.map(\.tokens),
      capture: CaptureRequest(
        points: (isLast ? statePoints : []).union(readsOutput ? [.attentionOutput] : []), layers: .all,
        positions: .last, logits: true, attention: readsAttention ? [.logits] : []), adapter: adapter)
    let read =
      isLast
      ? ends
      : try model.forward(
        readings.map(\.stateTokens),
        capture: CaptureRequest(
          points: statePoints, layers: .all, positions: .perPrompt(readings.map { .some($0.positions) })),
        adapter: adapter)

    func missing(_ what: String) -> EngineError {
      EngineError(.unsupported, "the model did not capture \(what)", at: model.provenance.name)
    }
    var pass = Pass(states: Array(repeating: [], count: layerCount + 2), logits: [])
    for one in read {
      for place in 0...layerCount + 1 {
        let rows =
          place > layerCount
          ? one.final : (place == 0 ? one.residual(0) : one.rows[.init(spec.point.inBlocks, layer: place)])
        guard let rows, !rows.isEmpty else { throw missing("place \(place)") }
        pass.states[place].append(MeanStates.mean(rows))
      }
    }
    if readsAttention {
      pass.attention = Array(repeating: [], count: layerCount)
      if wholeAttention { pass.wholeAttention = pass.attention }
    }
    if readsOutput { pass.attentionOutputs = Array(repeating: [], count: layerCount) }
    for (one, reading) in zip(ends, readings) {
      guard let row = one.logits.last else { throw missing("logits") }
      pass.logits.append(row)
      for block in 1...layerCount {
        if readsAttention {
          guard let heads = one.attention(.logits, layer: block)?.last else { throw missing("attention \(block)") }
          pass.attention[block - 1].append(heads.map { Array($0.suffix(reading.queryTokens)) })
          if wholeAttention { pass.wholeAttention[block - 1].append(heads) }
        }
        if readsOutput {
          guard let row = one.rows[.init(.attentionOutput, layer: block)]?.last else {
            throw missing("the attention output of block \(block)")
          }
          pass.attentionOutputs[block - 1].append(row)
        }
      }
    }
    return pass
  }
}

extension PromptDigest {
  /// The prompts, and what states were read of where that is more.
  func add(_ readings: [PromptReading]) {
    add(readings.map(\.tokens))
    add(readings.filter { $0.stateTokens != $0.tokens }.map(\.stateTokens))
  }
}
