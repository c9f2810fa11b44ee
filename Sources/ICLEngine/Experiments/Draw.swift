/// What chance decides in a comparison: the queries, once, and for each repetition its label words and its
/// demonstrations. Depends on task, specification and repetition number alone.
package struct Draw: Sendable, Equatable {
  package typealias Example = ClassificationTask.Example

  /// One word per class of the queries' task.
  package let labelWords: [String]
  /// One word per class of the demonstrations' task, where that is another one.
  package let demonstrationWords: [String]
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

  /// - Parameters:
  ///   - query: the query whose demonstrations are drawn, where each has its own
  ///   - states: what ``Likeness/states`` compares; without it, words are compared
  package init(
    of task: ClassificationTask, _ spec: ComparisonSpec, queries: [Example], repetition: Int, query: Int? = nil,
    states: MeanStates? = nil
  ) throws(EngineError) {
    var generator = SeededGenerator(seed: spec.seed, stream: "repetition \(repetition)")
    labelWords = try spec.labelWords.words(of: task, using: &generator)
    let source = spec.demonstrationTask ?? task
    demonstrationWords =
      spec.demonstrationTask == nil ? labelWords : try spec.labelWords.wordsOfOther(source, using: &generator)
    let asked = Set(queries.map(\.fields))
    let pool = source.examples.filter { !asked.contains($0.fields) }
    guard pool.count >= spec.demonstrations else {
      throw EngineError(
        .invalidArgument, "the task has too few examples that are not queries", at: "task \(source.name)",
        expected: "at least \(spec.demonstrations)", found: "\(pool.count)",
        nextStep: "ask for fewer demonstrations or queries")
    }
    let chosen: [Example]
    let other: [Example]
    if let query, spec.choice.isPerQuery {
      // The other demonstrations are the next ones in the same order: as near, or as far, as can be.
      let ordered = Self.byLikeness(pool, to: queries[query], spec.choice, states, using: &generator)
      chosen = Self.firstOfEach(spec.demonstrations, of: ordered, using: &generator)
      let rest = ordered.filter { !chosen.contains($0) }
      other = Self.firstOfEach(
        spec.demonstrations, of: rest.count >= spec.demonstrations ? rest : ordered, using: &generator)
    } else {
      chosen = Self.balanced(spec.demonstrations, from: pool, using: &generator)
      let chosenTexts = Set(chosen.map(\.fields))
      let rest = pool.filter { !chosenTexts.contains($0.fields) }
      other = Self.balanced(
        spec.demonstrations, from: rest.count >= spec.demonstrations ? rest : pool, using: &generator)
    }
    // Order goes by the labels that are shown.
    demonstrations = spec.order.arranged(Self.withWrongLabels(chosen, source, spec, using: &generator))
    others = spec.order.arranged(Self.withWrongLabels(other, source, spec, using: &generator))
    var order = generator.shuffled(demonstrations)
    if demonstrations.count > 1 {
      // With two demonstrations half of all shuffles change nothing.
      for _ in 0..<64 where order == demonstrations { order = generator.shuffled(demonstrations) }
    }
    reordered = order
  }

  /// The first examples of each class, as many of each as possible, in random order: else the nearest ones would
  /// often be of the query's own class, and give it away.
  private static func firstOfEach(
    _ count: Int, of ordered: [Example], using generator: inout SeededGenerator
  ) -> [Example] {
    let classes = generator.shuffled(Set(ordered.map(\.label)).sorted())
    var piles = classes.map { label in ordered.filter { $0.label == label }[...] }
    var chosen: [Example] = []
    while chosen.count < count, piles.contains(where: { !$0.isEmpty }) {
      for i in piles.indices where chosen.count < count {
        if let next = piles[i].popFirst() { chosen.append(next) }
      }
    }
    return generator.shuffled(chosen)
  }

  /// Different orders of the demonstrations, the one that is shown first: as many as are asked for and as there are.
  func orders(_ count: Int, using generator: inout SeededGenerator) -> [[Example]] {
    var result = [demonstrations]
    // Of few demonstrations there are few orders: 64 draws in a row that show nothing new end the search.
    var draws = 0
    while result.count < count, draws < 64 {
      let order = generator.shuffled(demonstrations)
      draws += 1
      if !result.contains(order) {
        result.append(order)
        draws = 0
      }
    }
    return result
  }

  /// The pool from the most to the least like the query (or the reverse), by the share of words that two texts have
  /// in common (Jaccard) or by the model's states; ties by chance.
  private static func byLikeness(
    _ pool: [Example], to query: Example, _ choice: DemonstrationChoice, _ states: MeanStates?,
    using generator: inout SeededGenerator
  ) -> [Example] {
    func words(_ example: Example) -> Set<String> {
      Set(
        example.fields.values.joined(separator: " ").lowercased()
          .split { !$0.isLetter && !$0.isNumber }.map(String.init))
    }
    let asked = words(query)
    let scored = generator.shuffled(pool).enumerated().map { place, example in
      if let states { return (place: place, share: states.likeness(example, query), example) }
      let own = words(example)
      let union = own.union(asked).count
      return (place: place, share: union == 0 ? 0 : Double(own.intersection(asked).count) / Double(union), example)
    }
    return scored.sorted { a, b in
      if a.share != b.share { return (a.share > b.share) == (choice == .nearest) }
      return a.place < b.place
    }.map(\.2)
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
    let concerned = Array(generator.shuffled(Array(examples.indices)).prefix(count))
    if task.hasWrittenAnswers { return withWrongAnswers(examples, concerned, task, spec, using: &generator) }
    switch spec.wrongLabelKind {
    case .flipped:
      let others = task.labels.count - 1
      for i in concerned {
        result[i].label = (result[i].label + 1 + generator.index(below: others)) % task.labels.count
      }
    case .random:
      for i in concerned { result[i].label = generator.index(below: task.labels.count) }
    case .permuted:
      let labels = generator.shuffled(concerned.map { examples[$0].label })
      for (i, label) in zip(concerned, labels) { result[i].label = label }
    }
    return result
  }

  /// Where answers are texts, a wrong one is another example's.
  private static func withWrongAnswers(
    _ examples: [Example], _ concerned: [Int], _ task: ExperimentTask, _ spec: ComparisonSpec,
    using generator: inout SeededGenerator
  ) -> [Example] {
    var result = examples
    switch spec.wrongLabelKind {
    case .flipped:
      for i in concerned {
        let others = task.examples.filter { $0.answer != examples[i].answer }
        if !others.isEmpty { result[i].answer = others[generator.index(below: others.count)].answer }
      }
    case .random:
      for i in concerned { result[i].answer = task.examples[generator.index(below: task.examples.count)].answer }
    case .permuted:
      let answers = generator.shuffled(concerned.map { examples[$0].answer })
      for (i, answer) in zip(concerned, answers) { result[i].answer = answer }
    }
    return result
  }
}
