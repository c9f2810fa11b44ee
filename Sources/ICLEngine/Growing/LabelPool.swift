/// Which label words go with which task in training. A word that is held out for one task is trained in others, so
/// that its embedding is alive (labels that occur nowhere in training cannot be learned in context).
package enum LabelPool {
  /// About one label word in five is kept from each task.
  package static func isHeldOut(_ label: String, task: TextTask) -> Bool {
    stableHash(task.name + "/" + label) % 5 == 0
  }

  /// The arbitrary label words that may be used with `task` in training (`heldOut` false) or in tests.
  package static func arbitrary(for task: TextTask, heldOut: Bool) -> [String] {
    Lexicon.arbitraryLabels.filter { isHeldOut($0, task: task) == heldOut }
  }

  /// `count` different arbitrary labels.
  package static func draw(
    _ count: Int, for task: TextTask, heldOut: Bool, using generator: inout SeededGenerator
  ) -> [String] {
    Array(generator.shuffled(arbitrary(for: task, heldOut: heldOut)).prefix(count))
  }
}
