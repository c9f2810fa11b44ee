/// Writes the prompts of a task and turns them into tokens: the whole prompt at once, because tokenizers merge
/// across the borders of its parts.
package struct PromptBuilder: Sendable {
  package let task: ClassificationTask
  package let tokenizer: any Tokenizer
  /// The words in force, one per class.
  package let labelWords: [String]
  /// The task of the demonstrations and its words: the same unless an experiment shows another one's.
  private let shown: (task: ClassificationTask, words: [String])
  /// What stands before everything else, separator included.
  package let opening: String

  /// - Parameters:
  ///   - instruction: index of the task's instruction; `nil` for none
  ///   - wording: an instruction that stands in its place
  package init(
    task: ClassificationTask, tokenizer: any Tokenizer, labelWords: [String], instruction: Int?,
    wording: String? = nil, showing other: (task: ClassificationTask, words: [String])? = nil
  ) {
    self.task = task
    self.tokenizer = tokenizer
    self.labelWords = labelWords
    shown = other ?? (task, labelWords)
    let chosen = instruction.flatMap { task.instructions.indices.contains($0) ? task.instructions[$0] : nil }
    if let text = wording ?? chosen {
      let list = labelWords.dropLast().joined(separator: ", ") + " or " + (labelWords.last ?? "")
      opening = text.replacing("{labels}", with: list) + task.instructionSeparator
    } else {
      opening = ""
    }
  }

  /// Instruction, demonstrations, and the query up to its label.
  package func prompt(_ query: ClassificationTask.Example, after demonstrations: [ClassificationTask.Example] = [])
    -> String
  {
    preamble(demonstrations) + task.template.query(query.fields)
  }

  /// A demonstration's answer as it is shown: a text of its own, or its label's word.
  private func shownAnswer(_ example: ExperimentTask.Example) -> String {
    example.answer ?? shown.words[example.label]
  }

  /// What stands before the query.
  func preamble(_ demonstrations: [ClassificationTask.Example]) -> String {
    opening
      + demonstrations.map { shown.task.template.demonstration($0.fields, label: shownAnswer($0)) }.joined()
  }

  /// Tokens of a whole prompt; an end-of-sequence token that the model's rules add is taken off again, since the
  /// prompt goes on.
  package func tokens(_ text: String) -> [Int] {
    var ids = tokenizer.encode(text)
    if let end = tokenizer.endToken, ids.count > 1, ids.last == end { ids.removeLast() }
    return ids
  }

  /// A prompt with an answer: all tokens, and where the answer's own begin (after what they share with the prompt's
  /// tokens: a tokenizer may merge the prompt's last characters with the answer's first).
  package func answered(_ prompt: String, label: Int) -> (tokens: [Int], answerStart: Int) {
    answered(prompt, task.template.answer(labelWords[label]))
  }

  private func answered(_ prompt: String, _ answer: String) -> (tokens: [Int], answerStart: Int) {
    let alone = tokens(prompt)
    let whole = tokens(prompt + answer)
    let shared = zip(alone, whole).prefix { $0 == $1 }.count
    return (whole, shared)
  }

  /// A prompt with a query's right answer, be it a label's word or a text.
  func answered(_ prompt: String, _ query: ExperimentTask.Example) -> (tokens: [Int], answerStart: Int) {
    answered(prompt, task.template.answer(query.answer ?? labelWords[query.label]))
  }

  /// A demonstration as a zero-shot prompt with its answer, as the IT condition is tuned on; only the answer's tokens
  /// count in the loss unless all do. To an answer that is a text belongs what ends it: a model that writes it has to
  /// learn where to stop.
  package func tuningSequence(
    _ example: ExperimentTask.Example, loss: TuningSettings.Loss = .answer
  ) -> (tokens: [Int], lossWeights: [Float]) {
    let template = shown.task.template
    let (whole, start) = answered(
      opening + template.query(example.fields),
      template.answer(shownAnswer(example)) + (example.answer == nil ? "" : template.ending))
    return (whole, whole.indices.map { $0 >= start || loss == .all ? 1 : 0 })
  }
}
