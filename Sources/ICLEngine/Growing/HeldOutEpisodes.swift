/// Questions with sentences, instructions and label words that training never showed for their task.
package struct HeldOutEpisodes: Sendable {
  package enum Condition: Sendable, Hashable {
    /// Label words without a meaning, after so many demonstrations.
    case arbitrary(demonstrations: Int)
    /// The labels' own words, after so many demonstrations.
    case meaningful(demonstrations: Int)
    /// The labels' own words, each at another class; the correct answer is the demonstrations' one.
    case swapped(demonstrations: Int)
    /// A sentence word for word, without demonstrations.
    case translation
  }

  /// A prompt and the answers to choose from.
  package struct Question: Sendable {
    /// Begins with `<s>` and ends where the answer begins.
    package var prompt: [Int]
    package var candidates: [[Int]]
    package var correct: Int
    package var text: String
  }

  private let vocabulary: GrownVocabulary
  private var generator: SeededGenerator

  package init(vocabulary: GrownVocabulary, seed: UInt64) {
    self.vocabulary = vocabulary
    generator = SeededGenerator(seed: seed, stream: "held-out episodes")
  }

  /// A question of `classes` classes (2, unless the condition is about translation).
  package mutating func question(_ condition: Condition, classes count: Int = 2, task only: TextTask? = nil) -> Question
  {
    let task = only ?? TextTask.all[generator.index(below: TextTask.all.count)]
    let count = min(count, task.classes.count)
    let chosen = Array(generator.shuffled(Array(task.classes.indices)).prefix(count))
    let own = chosen.map { task.classes[$0].labels[0] }
    let labels: [String]
    let shots: Int
    switch condition {
    case .arbitrary(let n):
      labels = LabelPool.draw(count, for: task, heldOut: true, using: &generator)
      shots = n
    case .meaningful(let n): (labels, shots) = (own, n)
    case .swapped(let n): (labels, shots) = (Array(own.dropFirst() + own.prefix(1)), n)
    case .translation: return translation()
    }
    let instructions = Wording.instructions(for: task).filter(Wording.isHeldOut)
    let instruction = instructions[generator.index(below: instructions.count)]
    // As even as possible over the classes, in random order.
    let places = generator.shuffled((0..<shots).map { $0 % count })
    var text = instruction + "\n"
    for place in places {
      let sentence = task.sentence(ofClass: chosen[place], heldOut: true, using: &generator)
      text += "\(task.inputName): \(sentence)\n\(task.outputName): \(labels[place])\n"
    }
    let correct = generator.index(below: count)
    let query = task.sentence(ofClass: chosen[correct], heldOut: true, using: &generator)
    text += "\(task.inputName): \(query)\n\(task.outputName):"
    return Question(
      prompt: [GrownVocabulary.begin] + vocabulary.encode(text, atStart: true),
      candidates: labels.map { vocabulary.encode(" " + $0, atStart: false) }, correct: correct, text: text)
  }

  private mutating func translation() -> Question {
    let (english, lomi) = InventedLanguage.sentence(heldOut: true, using: &generator)
    let text = "Translate into \(InventedLanguage.name).\nEnglish: \(english)\n\(InventedLanguage.name):"
    return Question(
      prompt: [GrownVocabulary.begin] + vocabulary.encode(text, atStart: true),
      candidates: [vocabulary.encode(" " + lomi, atStart: false)], correct: 0, text: text)
  }
}
