/// How well a grown model answers questions from held-out text, in repetitions with other questions.
package struct GrowthEvaluation: Sendable, Codable, Equatable {
  /// One condition's accuracy in each repetition.
  package struct Figure: Sendable, Codable, Equatable {
    package var name: String
    /// Questions in each repetition.
    package var questions: Int
    /// Accuracy that guessing gives.
    package var chance: Double
    package var accuracies: [Double]

    package var mean: Double { accuracies.reduce(0, +) / Double(max(accuracies.count, 1)) }
    /// Sample standard deviation over the repetitions; 0 for a single one.
    package var deviation: Double {
      guard accuracies.count > 1 else { return 0 }
      let mean = mean
      let squares = accuracies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return (squares / Double(accuracies.count - 1)).squareRoot()
    }
  }

  package var figures: [Figure]

  package func figure(_ name: String) -> Figure? { figures.first { $0.name == name } }

  /// A named condition with its number of classes.
  package struct Item: Sendable {
    package let name: String
    package let condition: HeldOutEpisodes.Condition
    package let classes: Int

    package init(_ name: String, _ condition: HeldOutEpisodes.Condition, classes: Int = 2) {
      self.name = name
      self.condition = condition
      self.classes = classes
    }
  }

  /// What the card states.
  package static let full: [Item] =
    [0, 2, 4, 8, 12].map { Item("arbitrary labels, \($0) demonstrations", .arbitrary(demonstrations: $0)) } + [
      Item("arbitrary labels, 4 classes, 8 demonstrations", .arbitrary(demonstrations: 8), classes: 4),
      Item("arbitrary labels, 4 classes, 12 demonstrations", .arbitrary(demonstrations: 12), classes: 4),
      Item("meaningful labels, 0 demonstrations", .meaningful(demonstrations: 0)),
      Item("meaningful labels, 4 classes, 0 demonstrations", .meaningful(demonstrations: 0), classes: 4),
      Item("meaningful labels, 8 demonstrations", .meaningful(demonstrations: 8)),
      Item("swapped labels, 8 demonstrations", .swapped(demonstrations: 8)),
      Item("translation, whole sentence", .translation),
    ]

  /// What is looked at while the model grows.
  package static let brief: [Item] = [
    Item("arbitrary 0", .arbitrary(demonstrations: 0)), Item("arbitrary 2", .arbitrary(demonstrations: 2)),
    Item("arbitrary 8", .arbitrary(demonstrations: 8)), Item("meaningful 0", .meaningful(demonstrations: 0)),
    Item("swapped 8", .swapped(demonstrations: 8)),
  ]

  /// - Parameters:
  ///   - questions: in each repetition of each condition
  ///   - only: questions of this task alone; of all tasks when `nil`
  package static func measure(
    _ model: LlamaModel, vocabulary: GrownVocabulary, items: [Item] = full, questions: Int, repetitions: Int = 1,
    seed: UInt64, only: TextTask? = nil
  ) throws(EngineError) -> GrowthEvaluation {
    var figures: [Figure] = []
    for item in items {
      var accuracies: [Double] = []
      for repetition in 0..<repetitions {
        var episodes = HeldOutEpisodes(vocabulary: vocabulary, seed: seed &+ UInt64(repetition))
        var asked: [HeldOutEpisodes.Question] = []
        for _ in 0..<questions { asked.append(episodes.question(item.condition, classes: item.classes, task: only)) }
        accuracies.append(try accuracy(model, asked))
      }
      var chance = 1 / Double(item.classes)
      if case .translation = item.condition { chance = 0 }
      figures.append(Figure(name: item.name, questions: questions, chance: chance, accuracies: accuracies))
    }
    return GrowthEvaluation(figures: figures)
  }

  private static func accuracy(
    _ model: LlamaModel, _ asked: [HeldOutEpisodes.Question]
  ) throws(EngineError) -> Double {
    var right = 0
    // A few prompts at a time keep the memory small.
    for start in stride(from: 0, to: asked.count, by: 32) {
      let part = asked[start..<min(start + 32, asked.count)]
      try Interruption.check()
      if part.allSatisfy({ $0.candidates.count > 1 }) {
        let request = CaptureRequest(points: [], layers: .last, positions: .last, logits: true)
        let states = try model.forward(part.map(\.prompt), capture: request)
        for (question, state) in zip(part, states) {
          guard let logits = state.logits.first else { continue }
          // Labels are single tokens of the grown vocabulary.
          let scores = question.candidates.map { logits[$0[0]] }
          if scores.indices.allSatisfy({ $0 == question.correct || scores[question.correct] > scores[$0] }) {
            right += 1
          }
        }
      } else {
        right += try wholeAnswers(model, Array(part))
      }
    }
    return Double(right) / Double(max(asked.count, 1))
  }

  /// How many answers greedy decoding gives in full: it does exactly if each token of the answer is the most likely
  /// one after those before it.
  private static func wholeAnswers(
    _ model: LlamaModel, _ asked: [HeldOutEpisodes.Question]
  ) throws(EngineError) -> Int {
    let prompts = asked.map { $0.prompt + $0.candidates[0].dropLast() }
    let states = try model.forward(
      prompts, capture: CaptureRequest(points: [], layers: .last, positions: .all, logits: true))
    var right = 0
    for (question, state) in zip(asked, states) {
      let answer = question.candidates[0]
      let first = question.prompt.count - 1
      let agrees = answer.indices.allSatisfy { index in
        let logits = state.logits[first + index]
        return logits.indices.allSatisfy { $0 == answer[index] || logits[answer[index]] > logits[$0] }
      }
      if agrees { right += 1 }
    }
    return right
  }
}
