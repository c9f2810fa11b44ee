/// Which label a model gives to a query.
struct LabelScoring {
  let builder: PromptBuilder
  /// Prompts as text and as tokens, in the same order.
  let prompts: [String]
  let tokens: [[Int]]
  /// For each prompt, the one token of each label's answer; `nil` when some label's answer is not one token of its
  /// own after the unchanged prompt.
  private let answerTokens: [[Int]]?

  init(_ builder: PromptBuilder, prompts: [String], tokens: [[Int]]) {
    self.builder = builder
    self.prompts = prompts
    self.tokens = tokens
    var answers: [[Int]] = []
    for (prompt, ids) in zip(prompts, tokens) {
      let ends = builder.labelWords.indices.compactMap { label -> Int? in
        let (whole, start) = builder.answered(prompt, label: label)
        return start == ids.count && whole.count == start + 1 ? whole[start] : nil
      }
      guard ends.count == builder.labelWords.count else { break }
      answers.append(ends)
    }
    answerTokens = answers.count == prompts.count ? answers : nil
  }

  /// The label of the largest probability for each prompt; the first of equals. When each label is one token its
  /// logit decides; otherwise the log-likelihood of the whole label does, which needs another pass over the prompts.
  /// - Parameter logits: after the last token of each prompt, `[prompt][V]`
  func predictions(
    logits: [[Float]], model: any ExperimentModel, adapter: LoRAAdapter?
  ) throws(EngineError) -> [Int] {
    if let answerTokens {
      return zip(logits, answerTokens).map { logits, ids in Self.largest(ids.map { Double(logits[$0]) }) }
    }
    var scores = [[Double]](repeating: [], count: prompts.count)
    for label in builder.labelWords.indices {
      let answered = prompts.map { builder.answered($0, label: label) }
      for (index, (whole, start)) in answered.enumerated() {
        // Token i is predicted at position i − 1; a prompt always keeps its first token.
        let first = max(start, 1)
        let states = try model.forward(
          [whole],
          capture: CaptureRequest(points: [], positions: .some(Array(first - 1..<whole.count - 1)), logits: true),
          adapter: adapter)
        var sum = 0.0
        for (offset, row) in (states.first?.logits ?? []).enumerated() {
          sum += Measures.logProbability(of: whole[first + offset], logits: row)
        }
        scores[index].append(sum)
      }
    }
    return scores.map(Self.largest)
  }

  private static func largest(_ scores: [Double]) -> Int {
    var best = 0
    for (index, score) in scores.enumerated() where score > scores[best] { best = index }
    return best
  }
}
