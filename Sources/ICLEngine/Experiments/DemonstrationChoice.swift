/// What a demonstration's label is where it is wrong (Min et al. 2022, arXiv 2202.12837).
public enum WrongLabelKind: String, Sendable, Equatable, Codable, CaseIterable {
  /// Another class's.
  case flipped
  /// Drawn anew from all classes: by chance it may be right.
  case random
  /// The labels of the demonstrations concerned, in another order: how often each label occurs stays.
  case permuted
}

/// Which examples become demonstrations (Duan et al., figure 4).
public enum DemonstrationChoice: String, Sendable, Equatable, Codable, CaseIterable {
  /// By chance, the same for all queries.
  case random
  /// For each query those that share most words with it, so that each query has its own tuning too.
  case nearest
  /// For each query those that share fewest.
  case farthest

  /// Whether each query has demonstrations of its own.
  package var isPerQuery: Bool { self != .random }
}

/// What makes a demonstration like a query.
public enum Likeness: String, Sendable, Equatable, Codable, CaseIterable {
  /// The share of words that two texts have in common (Jaccard).
  case words
  /// The cosine of the model's own states, after the last block, each the mean over its text's tokens.
  case states
}

/// In which order the chosen demonstrations stand.
public enum DemonstrationOrder: String, Sendable, Equatable, Codable, CaseIterable {
  /// By chance.
  case random
  /// One class after the other.
  case grouped
  /// The classes in turn, as long as each has some left.
  case alternating

  /// The demonstrations in this order; within a class they keep the one that they came in.
  func arranged(_ examples: [ClassificationTask.Example]) -> [ClassificationTask.Example] {
    // Classes in the order of their first appearance, which chance decided.
    var classes: [Int] = []
    for example in examples where !classes.contains(example.label) { classes.append(example.label) }
    let piles = classes.map { label in examples.filter { $0.label == label } }
    switch self {
    case .random: return examples
    case .grouped: return piles.flatMap(\.self)
    case .alternating:
      let longest = piles.map(\.count).max() ?? 0
      return (0..<longest).flatMap { turn in piles.compactMap { $0.indices.contains(turn) ? $0[turn] : nil } }
    }
  }
}
