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
  /// What makes a demonstration near or far.
  public var likeness: Likeness
  /// In which order the demonstrations stand.
  public var order: DemonstrationOrder
  /// The task that the demonstrations are of; `nil` for the queries' own (Duan et al., figure 3c: another one).
  public var demonstrationTask: ClassificationTask?
  public var labelWords: LabelWords
  /// Index of the task's instruction; `nil` for none.
  public var instruction: Int?
  /// A wording that stands in place of the task's instruction, `{labels}` for the label words; `nil` for none, so that
  /// ``instruction`` decides. See ``contradictoryInstruction``.
  public var instructionText: String?
  /// How examples are written, in place of the task's own template; `nil` for that. Its placeholders are the task's.
  public var template: PromptTemplate?
  public var tuning: TuningSettings
  /// The token whose states are compared.
  public var positions: StatePosition
  /// Where in the model they are read.
  public var point: StatePoint
  /// What is measured beside the cosine of states and accuracy.
  public var measures: Set<Measure>
  /// `K` of the overlap of likeliest tokens; a vocabulary that is smaller is taken whole.
  public var topK: Int
  /// Orders of the demonstrations that ``Measure/orderSensitivity`` runs, the one that is shown included.
  public var permutations: Int
  /// What stands beside the similarities for comparison: all of it unless someone leaves something out.
  public var baselines: Set<Baseline>
  public var seed: UInt64

  public init(
    demonstrations: Int = 8, queries: Int = 50, repetitions: Int = 8, wrongLabelShare: Double = 0,
    wrongLabelKind: WrongLabelKind = .flipped, choice: DemonstrationChoice = .random,
    demonstrationTask: ClassificationTask? = nil, labelWords: LabelWords = .arbitrary, instruction: Int? = 0,
    tuning: TuningSettings = TuningSettings(), baselines: Set<Baseline> = Set(Baseline.allCases), seed: UInt64 = 0,
    likeness: Likeness = .words, order: DemonstrationOrder = .random, instructionText: String? = nil,
    template: PromptTemplate? = nil, positions: StatePosition = .last, point: StatePoint = .residual,
    measures: Set<Measure> = Measure.standard, topK: Int = 10, permutations: Int = 5
  ) {
    self.likeness = likeness
    self.order = order
    self.instructionText = instructionText
    self.template = template
    self.positions = positions
    self.point = point
    self.measures = measures
    self.topK = topK
    self.permutations = permutations
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

  /// An instruction that says the opposite of what the demonstrations show.
  public static let contradictoryInstruction = "Do not answer with {labels}."

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
    likeness = try box.decodeIfPresent(Likeness.self, forKey: .likeness) ?? standard.likeness
    order = try box.decodeIfPresent(DemonstrationOrder.self, forKey: .order) ?? standard.order
    instructionText = try box.decodeIfPresent(String.self, forKey: .instructionText)
    template = try box.decodeIfPresent(PromptTemplate.self, forKey: .template)
    positions = try box.decodeIfPresent(StatePosition.self, forKey: .positions) ?? standard.positions
    point = try box.decodeIfPresent(StatePoint.self, forKey: .point) ?? standard.point
    measures = try box.decodeIfPresent(Set<Measure>.self, forKey: .measures) ?? standard.measures
    topK = try box.decodeIfPresent(Int.self, forKey: .topK) ?? standard.topK
    permutations = try box.decodeIfPresent(Int.self, forKey: .permutations) ?? standard.permutations
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
    if likeness != .words { try box.encode(likeness, forKey: .likeness) }
    if order != .random { try box.encode(order, forKey: .order) }
    if let instructionText { try box.encode(instructionText, forKey: .instructionText) }
    if let template { try box.encode(template, forKey: .template) }
    if positions != .last { try box.encode(positions, forKey: .positions) }
    if point != .residual { try box.encode(point, forKey: .point) }
    if topK != 10 { try box.encode(topK, forKey: .topK) }
    if permutations != 5 { try box.encode(permutations, forKey: .permutations) }
    // Always: what earlier versions kept has none of them, and must not be taken for a part of this.
    try box.encode(measures.sorted { $0.rawValue < $1.rawValue }, forKey: .measures)
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
    case instruction, tuning, baselines, seed, likeness, order, instructionText, template, positions, point, measures
    case topK, permutations
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
    try require(topK >= 1, "topK", expected: "at least 1", found: "\(topK)")
    try require(permutations >= 2, "permutations", expected: "at least 2", found: "\(permutations)")
    if case .fromEnd(let count) = positions {
      try require(count >= 1, "positions", expected: "1 (the last token) or more", found: "\(count)")
    }
    if case .after(let text) = positions {
      try require(!text.isEmpty, "positions", expected: "a text to find in the prompt", found: "an empty one")
    }
    if measures.contains(.subspaceOverlap) {
      try require(
        tuning.method == .lora && tuning.steps >= 1, "measures", expected: "subspaceOverlap with LoRA alone",
        found: "tuning by \(tuning.method.rawValue), \(tuning.steps) steps")
    }
    if let template {
      let missing = template.fieldNames.filter { !task.template.fieldNames.contains($0) }
      try require(
        missing.isEmpty, "template",
        expected: "placeholders of the task: " + task.template.fieldNames.joined(separator: ", "),
        found: missing.joined(separator: ", "))
    }
    if let instruction, !(instruction == 0 && task.instructions.isEmpty) {
      try require(
        task.instructions.indices.contains(instruction), "instruction",
        expected: "an index into the task's \(task.instructions.count) instructions", found: "\(instruction)")
    }
  }
}
