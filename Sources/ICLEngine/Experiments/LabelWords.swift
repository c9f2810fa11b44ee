/// The words that stand for the labels in an experiment.
public enum LabelWords: Sendable, Equatable, Codable {
  /// The task's own.
  case meaningful
  /// Words without a meaning in the task, drawn anew from its `arbitraryLabels` in each repetition: only
  /// demonstrations or tuning can tell which is which. A task that has none uses its own words.
  case arbitrary
  /// The task's own words, each for the next class: meaning works against the demonstrations.
  case swapped
  /// Given words, one per class.
  case custom([String])

  public init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    if let words = try? box.decode([String].self) {
      self = .custom(words)
      return
    }
    switch try box.decode(String.self) {
    case "meaningful": self = .meaningful
    case "arbitrary": self = .arbitrary
    case "swapped": self = .swapped
    case let other:
      throw DecodingError.dataCorruptedError(
        in: box,
        debugDescription: "label words are meaningful, arbitrary, swapped or a list of words, not \(other)")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    switch self {
    case .meaningful: try box.encode("meaningful")
    case .arbitrary: try box.encode("arbitrary")
    case .swapped: try box.encode("swapped")
    case .custom(let words): try box.encode(words)
    }
  }

  /// As specifications and axes name it.
  public var name: String {
    switch self {
    case .meaningful: "meaningful"
    case .arbitrary: "arbitrary"
    case .swapped: "swapped"
    case .custom(let words): words.joined(separator: ", ")
    }
  }

  /// One word per class.
  package func words(of task: ClassificationTask, using generator: inout SeededGenerator) throws(EngineError)
    -> [String]
  {
    let count = task.labels.count
    switch self {
    case .meaningful: return task.labels
    case .swapped: return task.labels.indices.map { task.labels[($0 + 1) % count] }
    case .arbitrary:
      if task.arbitraryLabels.isEmpty { return task.labels }
      guard Set(task.arbitraryLabels).count >= count else {
        throw EngineError(
          .invalidArgument, "too few arbitrary label words", at: "task \(task.name)",
          expected: "at least \(count) different ones", found: "\(Set(task.arbitraryLabels).count)")
      }
      return Array(generator.shuffled(task.arbitraryLabels).prefix(count))
    case .custom(let words):
      guard words.count == count, Set(words).count == count, !words.contains("") else {
        throw EngineError(
          .invalidArgument, "label words do not fit the task", at: "task \(task.name)",
          expected: "\(count) different words, one for each of \(task.labels.joined(separator: ", "))",
          found: words.joined(separator: ", "))
      }
      return words
    }
  }

  /// The words of a task whose demonstrations stand before queries of another: given words are the queries' task's,
  /// so this one keeps its own.
  package func wordsOfOther(
    _ task: ClassificationTask, using generator: inout SeededGenerator
  ) throws(EngineError) -> [String] {
    if case .custom = self { return task.labels }
    return try words(of: task, using: &generator)
  }
}
