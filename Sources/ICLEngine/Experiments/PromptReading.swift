/// A query's prompt, and where its states are read.
package struct PromptReading: Sendable {
  package let tokens: [Int]
  /// The prompt, or the prompt with its right label.
  package let stateTokens: [Int]
  /// Positions in `stateTokens`, from 0; states are averaged over them.
  package let positions: [Int]
  /// How many tokens at the prompt's end are the query's own.
  package let queryTokens: Int
}

extension PromptBuilder {
  /// The prompt of a query, and the positions at which an experiment reads it.
  /// - Throws: `invalidArgument` when the query has no such token
  package func reading(
    _ query: ClassificationTask.Example, after demonstrations: [ClassificationTask.Example], at position: StatePosition
  ) throws(EngineError) -> PromptReading {
    let before = preamble(demonstrations)
    let text = before + task.template.query(query.fields)
    let tokens = self.tokens(text)
    // Where a tokenizer merged across the border, the token that holds both counts as the query's.
    let start = min(Self.sharedCount(self.tokens(before), tokens), tokens.count - 1)
    func reading(_ positions: [Int], in stateTokens: [Int]? = nil) -> PromptReading {
      PromptReading(
        tokens: tokens, stateTokens: stateTokens ?? tokens, positions: positions, queryTokens: tokens.count - start)
    }
    func refusal(_ expected: String, _ found: String, _ nextStep: String? = nil) -> EngineError {
      EngineError(
        .invalidArgument, "the query has no such token", at: "task \(task.name), position \(position.title)",
        expected: expected, found: found, nextStep: nextStep)
    }
    switch position {
    case .last: return reading([tokens.count - 1])
    case .fromEnd(let count):
      guard count >= 1, count <= tokens.count - start else {
        throw refusal("1 to \(tokens.count - start), the query's own tokens", "\(count)")
      }
      return reading([tokens.count - count])
    case .queryMean: return reading(Array(start..<tokens.count))
    case .after(let marker):
      let own = task.template.query(query.fields)
      guard let place = own.ranges(of: marker).last else {
        throw refusal("\(marker.debugDescription) in the query's part of the prompt", own.debugDescription)
      }
      let index = Self.sharedCount(self.tokens(before + own[..<place.upperBound]), tokens)
      guard index < tokens.count else {
        throw refusal(
          "a token after \(marker.debugDescription)", "the prompt's end",
          "choose a text that is not the query's last, or the position \"last\"")
      }
      return reading([index])
    case .firstOfLabel, .lastOfLabel:
      let (whole, answer) = answered(text, query)
      guard answer < whole.count else {
        throw refusal("a token of its right answer", "none")
      }
      return reading([position == .firstOfLabel ? answer : whole.count - 1], in: whole)
    }
  }

  /// Tokens that a prompt and the demonstrations as training examples have in common: for each demonstration, where its
  /// tokens stand in the prompt and where in its own tuning sequence. The instruction is left out, and so are tokens
  /// that the tokenizer made otherwise.
  func sharedTokens(
    _ demonstrations: [ClassificationTask.Example], in prompt: [Int]
  ) -> [(inPrompt: [Int], inExample: [Int])] {
    var start = Self.sharedCount(tokens(preamble([])), prompt)
    return demonstrations.indices.map { index in
      let end = Self.sharedCount(tokens(preamble(Array(demonstrations[...index]))), prompt)
      let example = tuningSequence(demonstrations[index]).tokens
      let first = Self.sharedCount(tokens(preamble([])), example)
      let count = max(0, min(end - start, example.count - first))
      let same = (0..<count).filter { prompt[start + $0] == example[first + $0] }
      defer { start = end }
      return (same.map { start + $0 }, same.map { first + $0 })
    }
  }

  /// How many tokens two sequences begin with alike.
  static func sharedCount(_ a: [Int], _ b: [Int]) -> Int { zip(a, b).prefix { $0 == $1 }.count }
}
