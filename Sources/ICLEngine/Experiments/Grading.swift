/// How right a model's answers to some queries are.
struct Grading {
  /// For each query whether the answer is right: the right label, or all words of the right text.
  var isRight: [Bool]
  /// For each query the share of the right text's words; `nil` where answers are labels.
  var wordShares: [Double]?

  /// - Parameters:
  ///   - prompts: as text and as tokens, one for each query
  ///   - logits: after the last token of each prompt, `[prompt][V]`
  init(
    _ builder: PromptBuilder, _ queries: [Draw.Example], prompts: [String], tokens: [[Int]], logits: [[Float]],
    model: any ExperimentModel, adapter: LoRAAdapter?
  ) throws(EngineError) {
    guard builder.task.hasWrittenAnswers else {
      let labels = try LabelScoring(builder, prompts: prompts, tokens: tokens)
        .predictions(logits: logits, model: model, adapter: adapter)
      isRight = zip(labels, queries).map { $0 == $1.label }
      return
    }
    let written = try WrittenAnswers(builder: builder, tokens: tokens).texts(queries, model: model, adapter: adapter)
    let pairs = zip(written, queries).map { text, query in
      (written: ExperimentTask.words(of: text), wanted: ExperimentTask.words(of: query.answer ?? ""))
    }
    isRight = pairs.map { $0.written == $0.wanted }
    wordShares = pairs.map { Measures.wordOverlap($0.written, $0.wanted) }
  }

  /// Share of right answers, 0…1.
  var accuracy: Double { Double(isRight.count { $0 }) / Double(max(isRight.count, 1)) }
}

/// What a model writes as the answers of some prompts: greedily, up to what ends an answer in the task's template, a
/// token that ends a text, or twice as many tokens as the right answer has and eight.
struct WrittenAnswers {
  let builder: PromptBuilder
  let tokens: [[Int]]

  func texts(
    _ queries: [Draw.Example], model: any ExperimentModel, adapter: LoRAAdapter?
  ) throws(EngineError) -> [String] {
    let context = model.configuration.contextLength
    let limits = zip(tokens, queries).map { prompt, query in
      let right = builder.tokens(builder.task.template.answer(query.answer ?? "")).count
      return min(2 * right + 8, context - prompt.count)
    }
    let written = try model.continued(tokens, limits: limits, adapter: adapter) { index, written in
      text(written, after: tokens[index]).isWhole
    }
    return zip(tokens, written).map { text($1, after: $0).text }
  }

  /// A continuation up to what ends it, and whether that has come.
  private func text(_ written: [Int], after prompt: [Int]) -> (text: String, isWhole: Bool) {
    if let last = written.last, builder.tokenizer.stopTokens.contains(last) {
      return (text(Array(written.dropLast()), after: prompt).text, true)
    }
    // The whole text less the prompt's: so a first word keeps its space.
    let bytes = builder.tokenizer.bytes(prompt + written).dropFirst(builder.tokenizer.bytes(prompt).count)
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.firstRange(of: builder.task.template.ending) else { return (text, false) }
    return (String(text[..<end.lowerBound]), true)
  }
}

extension ExperimentModel {
  /// Continues each prompt by its likeliest tokens; of equals the one with the lowest id.
  /// - Parameters:
  ///   - limits: most tokens for each prompt; none for 0 or less
  ///   - isDone: asked after each token with the prompt's number and what was written after it
  func greedy(
    _ prompts: [[Int]], limits: [Int], isDone: (Int, [Int]) -> Bool,
    logits: ([[Int]]) throws(EngineError) -> [[Float]]
  ) throws(EngineError) -> [[Int]] {
    var written = [[Int]](repeating: [], count: prompts.count)
    var open = prompts.indices.filter { limits[$0] > 0 }
    while !open.isEmpty {
      try Interruption.check()
      let rows = try logits(open.map { prompts[$0] + written[$0] })
      for (index, row) in zip(open, rows) { written[index].append(Sampling.greatest(row)) }
      open = open.filter { written[$0].count < limits[$0] && !isDone($0, written[$0]) }
    }
    return written
  }

  /// Reads everything again for each token: right for any model, slow.
  package func continued(
    _ prompts: [[Int]], limits: [Int], adapter: LoRAAdapter?, isDone: (Int, [Int]) -> Bool
  ) throws(EngineError) -> [[Int]] {
    try greedy(prompts, limits: limits, isDone: isDone) { prompts throws(EngineError) in
      let states = try forward(
        prompts, capture: CaptureRequest(points: [], layers: .some([]), positions: .last, logits: true),
        adapter: adapter)
      return states.map { $0.logits.last ?? [] }
    }
  }
}
