/// How a task is asked: an instruction in one of many wordings, and the names of input and output.
package struct Wording: Sendable, Equatable {
  /// The line before the demonstrations.
  package var instruction: String
  /// `Review` in `Review: {text}`.
  package var input: String
  /// `Mood` in `Mood: {label}`.
  package var output: String
  /// How an example is written.
  package var form = Form.lines

  package enum Form: Sendable, Equatable {
    /// `Review: {text}`, a line break, `Mood: {label}`: the form of every question and experiment.
    case lines
    /// `{text}: {label}` in one line, for dense training text.
    case colon
    /// `{text} {label}` in one line.
    case plain
  }

  /// What stands before an example's text (a blank at least: words have one in the vocabulary), and between it and the
  /// blank before its label.
  package var frame: (before: String, between: String) {
    switch form {
    case .lines: ("\(input): ", "\n\(output):")
    case .colon: (" ", ":")
    case .plain: (" ", "")
    }
  }

  private static let verbs = ["Find", "Say", "Give", "Name", "State", "Tell"]
  private static let determiners = ["the", "each", "every"]
  private static let openings = [
    "Sort each {input} into its group.", "Label every {input}.", "Put a label on the {input}.",
    "Learn the labels from the examples.", "Each {input} has one label.", "Follow the examples.",
  ]
  private static let options = ["Answer with {list}.", "Choose {list}.", "The labels are {list}.", "Is it {list}?"]
  private static let genericInputs = ["Text", "Input", "Sentence"]
  private static let genericOutputs = ["Answer", "Label", "Output"]

  /// Every instruction that asks for what the task is about: `Find the mood of each review.`
  package static func instructions(for task: TextTask) -> [String] {
    let input = task.inputName.lowercased()
    return task.attributes.flatMap { attribute in
      verbs.flatMap { verb in determiners.map { "\(verb) the \(attribute) of \($0) \(input)." } }
    }
  }

  /// Instructions that say nothing of the task: `Label every review.`
  package static func neutralInstructions(for task: TextTask) -> [String] {
    openings.map { $0.replacing("{input}", with: task.inputName.lowercased()) }
  }

  /// About one instruction in six is kept for tests; a neutral one never is, there are too few.
  package static func isHeldOut(_ instruction: String) -> Bool { stableHash("wording " + instruction) % 6 == 0 }

  /// The instruction's second sentence, which names the labels: `Answer with dax or zib.`
  package static func options(_ labels: [String], using generator: inout SeededGenerator) -> String {
    let shuffled = generator.shuffled(labels)
    let list = shuffled.dropLast().joined(separator: ", ") + " or " + (shuffled.last ?? "")
    return options[generator.index(below: options.count)].replacing("{list}", with: list)
  }

  /// A training wording.
  /// - Parameters:
  ///   - neutral: probability that the instruction says nothing of the task.
  package static func random(
    for task: TextTask, neutral: Double, using generator: inout SeededGenerator
  ) -> Wording {
    let pool: [String]
    if generator.uniform() < neutral {
      pool = neutralInstructions(for: task)
    } else {
      pool = instructions(for: task).filter { !isHeldOut($0) }
    }
    let own = generator.uniform() < 0.5
    return Wording(
      instruction: pool[generator.index(below: pool.count)],
      input: own ? task.inputName : genericInputs[generator.index(below: genericInputs.count)],
      output: own ? task.outputName : genericOutputs[generator.index(below: genericOutputs.count)])
  }
}

extension TextTask {
  /// `Mood`, from the first attribute.
  package var outputName: String { attributes[0].prefix(1).uppercased() + attributes[0].dropFirst() }
}
