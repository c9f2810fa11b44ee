/// What chance decides in a comparison: the queries, once, and for each repetition its label words and its
/// demonstrations. Depends on task, specification and repetition number alone.
package struct Draw: Sendable, Equatable {
  package typealias Example = ClassificationTask.Example

  /// One word per class.
  package let labelWords: [String]
  /// In the order in which they are shown, with the labels that are shown (wrong ones included).
  package let demonstrations: [Example]
  /// The same in another order; the same order when there is only one.
  package let reordered: [Example]
  /// Other ones: none of `demonstrations` as long as the task has enough.
  package let others: [Example]

  /// The queries of every repetition: as many of each class as possible, in random order.
  /// - Throws: `invalidArgument` when the task has too few examples.
  package static func queries(of task: ClassificationTask, _ spec: ComparisonSpec) throws(EngineError) -> [Example] {
    let ownPool = !task.queries.isEmpty
    let pool = ownPool ? task.queries : task.examples
    let available = ownPool ? pool.count : pool.count - spec.demonstrations
    guard spec.queries <= available else {
      throw EngineError(
        .invalidArgument, "the task has too few examples for so many queries", at: "task \(task.name)",
        expected: "at most \(available) queries"
          + (ownPool ? "" : " (\(pool.count) examples less \(spec.demonstrations) demonstrations)"),
        found: "\(spec.queries)", nextStep: "ask for fewer queries, or give the task more examples")
    }
    var generator = SeededGenerator(seed: spec.seed, stream: "queries")
    return balanced(spec.queries, from: pool, using: &generator)
  }

  package init(
    of task: ClassificationTask, _ spec: ComparisonSpec, queries: [Example], repetition: Int
  ) throws(EngineError) {
    var generator = SeededGenerator(seed: spec.seed, stream: "repetition \(repetition)")
    labelWords = try spec.labelWords.words(of: task, using: &generator)
    let asked = Set(queries.map(\.fields))
    let pool = task.examples.filter { !asked.contains($0.fields) }
    guard pool.count >= spec.demonstrations else {
      throw EngineError(
        .invalidArgument, "the task has too few examples that are not queries", at: "task \(task.name)",
        expected: "at least \(spec.demonstrations)", found: "\(pool.count)",
        nextStep: "ask for fewer demonstrations or queries")
    }
    let chosen = Self.balanced(spec.demonstrations, from: pool, using: &generator)
    let chosenTexts = Set(chosen.map(\.fields))
    let rest = pool.filter { !chosenTexts.contains($0.fields) }
    let other = Self.balanced(
      spec.demonstrations, from: rest.count >= spec.demonstrations ? rest : pool, using: &generator)
    demonstrations = Self.withWrongLabels(chosen, task, spec, using: &generator)
    others = Self.withWrongLabels(other, task, spec, using: &generator)
    var order = generator.shuffled(demonstrations)
    if demonstrations.count > 1 {
      // With two demonstrations half of all shuffles change nothing.
      for _ in 0..<64 where order == demonstrations { order = generator.shuffled(demonstrations) }
    }
    reordered = order
  }

  /// `count` examples, as many of each class as possible, in random order.
  private static func balanced(
    _ count: Int, from pool: [Example], using generator: inout SeededGenerator
  ) -> [Example] {
    let shuffled = generator.shuffled(pool)
    let classes = generator.shuffled(Set(pool.map(\.label)).sorted())
    var piles = classes.map { label in shuffled.filter { $0.label == label } }
    var chosen: [Example] = []
    while chosen.count < count, piles.contains(where: { !$0.isEmpty }) {
      for i in piles.indices where chosen.count < count && !piles[i].isEmpty { chosen.append(piles[i].removeLast()) }
    }
    return generator.shuffled(chosen)
  }

  private static func withWrongLabels(
    _ examples: [Example], _ task: ClassificationTask, _ spec: ComparisonSpec,
    using generator: inout SeededGenerator
  ) -> [Example] {
    let count = Int((spec.wrongLabelShare * Double(examples.count)).rounded())
    var result = examples
    for i in generator.shuffled(Array(examples.indices)).prefix(count) {
      let others = task.labels.count - 1
      result[i].label = (result[i].label + 1 + generator.index(below: others)) % task.labels.count
    }
    return result
  }
}
