/// Every choice of a comparison. Two comparisons with equal specifications on the same model file and task give the
/// same bits.
public struct ComparisonSpec: Sendable, Equatable, Codable {
  /// `k`: examples shown before the query, and tuned on.
  public var demonstrations: Int
  /// Queries, the same in every repetition.
  public var queries: Int
  /// How often everything is done again with other demonstrations.
  public var repetitions: Int
  /// Share of the demonstrations, 0…1, that carry a wrong label (Min et al. 2022, arXiv 2202.12837).
  public var wrongLabelShare: Double
  /// What those labels are instead.
  public var wrongLabelKind: WrongLabelKind
  /// Which examples become demonstrations.
  public var choice: DemonstrationChoice
  /// The task that the demonstrations are of; `nil` for the queries' own (Duan et al., figure 3c: another one).
  public var demonstrationTask: ClassificationTask?
  public var labelWords: LabelWords
  /// Index of the task's instruction; `nil` for none.
  public var instruction: Int?
  public var tuning: TuningSettings
  /// What stands beside the similarities for comparison: all of it unless someone leaves something out.
  public var baselines: Set<Baseline>
  public var seed: UInt64

  public init(
    demonstrations: Int = 8, queries: Int = 50, repetitions: Int = 8, wrongLabelShare: Double = 0,
    wrongLabelKind: WrongLabelKind = .flipped, choice: DemonstrationChoice = .random,
    demonstrationTask: ClassificationTask? = nil, labelWords: LabelWords = .arbitrary, instruction: Int? = 0,
    tuning: TuningSettings = TuningSettings(), baselines: Set<Baseline> = Set(Baseline.allCases), seed: UInt64 = 0
  ) {
    self.demonstrations = demonstrations
    self.queries = queries
    self.repetitions = repetitions
    self.wrongLabelShare = wrongLabelShare
    self.wrongLabelKind = wrongLabelKind
    self.choice = choice
    self.demonstrationTask = demonstrationTask
    self.labelWords = labelWords
    self.instruction = instruction
    self.tuning = tuning
    self.baselines = baselines
    self.seed = seed
  }

  /// A specification written by hand may leave anything out: what is absent has its default.
  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    let standard = ComparisonSpec()
    demonstrations = try box.decodeIfPresent(Int.self, forKey: .demonstrations) ?? standard.demonstrations
    queries = try box.decodeIfPresent(Int.self, forKey: .queries) ?? standard.queries
    repetitions = try box.decodeIfPresent(Int.self, forKey: .repetitions) ?? standard.repetitions
    wrongLabelShare = try box.decodeIfPresent(Double.self, forKey: .wrongLabelShare) ?? standard.wrongLabelShare
    wrongLabelKind = try box.decodeIfPresent(WrongLabelKind.self, forKey: .wrongLabelKind) ?? standard.wrongLabelKind
    choice = try box.decodeIfPresent(DemonstrationChoice.self, forKey: .choice) ?? standard.choice
    if let name = try? box.decodeIfPresent(String.self, forKey: .demonstrationTask) {
      guard let task = ClassificationTask.shipped.first(where: { $0.name == name }) else {
        throw DecodingError.dataCorruptedError(
          forKey: .demonstrationTask, in: box,
          debugDescription: "no task comes with the engine under the name \(name); there are "
            + ClassificationTask.shipped.map(\.name).joined(separator: ", "))
      }
      demonstrationTask = task
    } else {
      demonstrationTask = try box.decodeIfPresent(ClassificationTask.self, forKey: .demonstrationTask)
    }
    labelWords = try box.decodeIfPresent(LabelWords.self, forKey: .labelWords) ?? standard.labelWords
    instruction =
      box.contains(.instruction) ? try box.decode(Int?.self, forKey: .instruction) : standard.instruction
    tuning = try box.decodeIfPresent(TuningSettings.self, forKey: .tuning) ?? standard.tuning
    baselines = try box.decodeIfPresent(Set<Baseline>.self, forKey: .baselines) ?? standard.baselines
    seed = try box.decodeIfPresent(UInt64.self, forKey: .seed) ?? standard.seed
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(demonstrations, forKey: .demonstrations)
    try box.encode(queries, forKey: .queries)
    try box.encode(repetitions, forKey: .repetitions)
    try box.encode(wrongLabelShare, forKey: .wrongLabelShare)
    // What came later is written only where it says something, so that older specifications keep their text.
    if wrongLabelKind != .flipped { try box.encode(wrongLabelKind, forKey: .wrongLabelKind) }
    if choice != .random { try box.encode(choice, forKey: .choice) }
    if let demonstrationTask {
      if ClassificationTask.shipped.contains(demonstrationTask) {
        try box.encode(demonstrationTask.name, forKey: .demonstrationTask)
      } else {
        try box.encode(demonstrationTask, forKey: .demonstrationTask)
      }
    }
    try box.encode(labelWords, forKey: .labelWords)
    // `null` is a choice (no instruction), not an absence.
    try box.encode(instruction, forKey: .instruction)
    try box.encode(tuning, forKey: .tuning)
    try box.encode(baselines.sorted { $0.rawValue < $1.rawValue }, forKey: .baselines)
    try box.encode(seed, forKey: .seed)
  }

  /// The names that its JSON may have.
  package static var keyNames: [String] { CodingKeys.allCases.map(\.stringValue) }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case demonstrations, queries, repetitions, wrongLabelShare, wrongLabelKind, choice, demonstrationTask, labelWords
    case instruction, tuning, baselines, seed
  }

  /// - Throws: `invalidArgument` for a value outside its domain, or a task that is too small for it.
  package func validate(for task: ClassificationTask) throws(EngineError) {
    try task.validate()
    func require(_ isGood: Bool, _ name: String, expected: String, found: String) throws(EngineError) {
      guard isGood else {
        throw EngineError(
          .invalidArgument, "\(name) is outside its range", at: "comparison of task \(task.name)",
          expected: expected, found: found)
      }
    }
    try demonstrationTask?.validate()
    let pool = (demonstrationTask ?? task).examples.count
    try require(
      demonstrations >= 1 && demonstrations <= pool, "demonstrations",
      expected: "1…\(pool), the task's examples", found: "\(demonstrations)")
    try require(queries >= 1, "queries", expected: "at least 1", found: "\(queries)")
    try require(repetitions >= 1, "repetitions", expected: "at least 1", found: "\(repetitions)")
    try require(
      wrongLabelShare >= 0 && wrongLabelShare <= 1, "wrongLabelShare", expected: "0…1", found: "\(wrongLabelShare)")
    try tuning.validate()
    if let instruction, !(instruction == 0 && task.instructions.isEmpty) {
      try require(
        task.instructions.indices.contains(instruction), "instruction",
        expected: "an index into the task's \(task.instructions.count) instructions", found: "\(instruction)")
    }
  }
}

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

/// How the IT and IT+ICL conditions are tuned: LoRA on the demonstrations as zero-shot prompts, all of them in every
/// step, AdamW at a constant rate, loss on the answer's tokens.
///
/// The defaults suit the small model that ships (they were found on a model of its kind); they are no claim about
/// what the paper used. A model of billions of parameters wants a rate 10 to 50 times smaller.
public struct TuningSettings: Sendable, Equatable, Codable {
  public var projections: [Projection]
  public var rank: Int
  /// The update is scaled by `alpha / rank`.
  public var alpha: Float
  public var learningRate: Float
  public var steps: Int

  public init(
    projections: [Projection] = [.q, .v], rank: Int = 8, alpha: Float = 16, learningRate: Float = 5e-3,
    steps: Int = 60
  ) {
    self.projections = projections
    self.rank = rank
    self.alpha = alpha
    self.learningRate = learningRate
    self.steps = steps
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    let standard = TuningSettings()
    projections = try box.decodeIfPresent([Projection].self, forKey: .projections) ?? standard.projections
    rank = try box.decodeIfPresent(Int.self, forKey: .rank) ?? standard.rank
    alpha = try box.decodeIfPresent(Float.self, forKey: .alpha) ?? standard.alpha
    learningRate = try box.decodeIfPresent(Float.self, forKey: .learningRate) ?? standard.learningRate
    steps = try box.decodeIfPresent(Int.self, forKey: .steps) ?? standard.steps
  }

  /// The names that its JSON may have.
  static var keyNames: [String] { CodingKeys.allCases.map(\.stringValue) }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case projections, rank, alpha, learningRate, steps
  }

  func validate() throws(EngineError) {
    guard !projections.isEmpty, rank >= 1, alpha.isFinite, learningRate.isFinite, learningRate >= 0, steps >= 0 else {
      throw EngineError(
        .invalidArgument, "tuning settings are outside their range", at: "comparison",
        expected: "projections, rank ≥ 1, finite alpha, learning rate ≥ 0, steps ≥ 0",
        found: "\(projections.map(\.rawValue)), rank \(rank), alpha \(alpha), rate \(learningRate), steps \(steps)")
    }
  }
}
