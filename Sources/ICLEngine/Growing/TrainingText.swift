/// The words that generated text can hold, counted on a sample of it: what the vocabulary is trained on.
package enum TrainingText {
  /// Word units with their counts, every word of every list at least once.
  package static func words() -> [String: Int] {
    var counts: [String: Int] = [:]
    func count(_ text: String, atStart: Bool = false) {
      for unit in GrownVocabulary.units(of: text, atStart: atStart) where unit != "\n" { counts[unit, default: 0] += 1 }
    }
    var generator = SeededGenerator(seed: 0, stream: "vocabulary")
    for task in TextTask.all {
      for instruction in Wording.instructions(for: task) + Wording.neutralInstructions(for: task) {
        count(instruction, atStart: true)
      }
      for _ in 0..<24 { count(" " + Wording.options(task.labelSet(0), using: &generator)) }
      for name in [task.inputName, "Text", "Input", "Sentence", task.outputName, "Answer", "Label", "Output"] {
        count(name + ":")
      }
      for set in 0..<task.labelSetCount { for label in task.labelSet(set) { count(" " + label) } }
      for index in task.classes.indices {
        for word in task.classes[index].words { count(" " + word) }
        for _ in 0..<2000 { count(" " + task.sentence(ofClass: index, heldOut: false, using: &generator)) }
      }
    }
    for list in Lexicon.all { for word in list.words { count(" " + word) } }
    for label in Lexicon.arbitraryLabels { count(" " + label) }
    count("Translate into \(InventedLanguage.name).", atStart: true)
    count("English:")
    count("\(InventedLanguage.name):")
    for (english, lomi) in InventedLanguage.dictionary { count(" \(english) \(lomi)") }
    return counts
  }

  /// The vocabulary of the model that ships.
  package static func vocabulary() throws(EngineError) -> GrownVocabulary { try GrownVocabulary(words: words()) }
}
