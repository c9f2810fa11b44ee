import Foundation

/// A comparison written out, so that another program can do the same on the same weights: every prompt as text and as
/// token ids, the answers that are scored, the examples that are tuned on, and the adapters that tuning begins with.
/// `Benchmarks/engine/peer_comparison.py` runs one with transformers and PEFT.
package struct ComparisonScript: Sendable, Encodable {
  /// A label's answer to a prompt: its tokens from the first that the prompt's own doesn't share with the answered one.
  package struct Answer: Sendable, Encodable {
    package let start: Int
    package let tokens: [Int]
  }

  package struct Prompt: Sendable, Encodable {
    package let text: String
    package let tokens: [Int]
    /// One for each label; empty where nothing is scored.
    package let answers: [Answer]
  }

  package struct Query: Sendable, Encodable {
    /// The right one.
    package let label: Int
    /// By whether demonstrations are shown: `anchor` (IT has the same), `ICL` (IT+ICL has the same), and of the
    /// baselines those that the specification asks for and that are prompts, `otherOrder` and `otherDemonstrations`.
    package let prompts: [String: Prompt]
  }

  package struct Example: Sendable, Encodable {
    package let tokens: [Int]
    /// Of each token in the loss: 1 for the answer's, 0 before.
    package let lossWeights: [Float]
  }

  /// Queries that have the same demonstrations, and so the same tuning.
  package struct Group: Sendable, Encodable {
    package let queries: [Query]
    package let tuning: [Example]
  }

  package struct Repetition: Sendable, Encodable {
    package let labelWords: [String]
    /// The folder of the adapter that each group's tuning begins with; `nil` for no tuning.
    package let adapter: String?
    package let groups: [Group]
  }

  package let task: String
  package let model: ModelProvenance
  package let spec: ComparisonSpec
  /// How the adapters are tuned: all examples of a group in each step, at a constant rate.
  package let optimizer: TuningOptimizer
  package let repetitions: [Repetition]
  private let adapters: [LoRAAdapter]
  private let configuration: ModelConfiguration

  private enum CodingKeys: String, CodingKey { case task, model, spec, optimizer, repetitions }

  /// - Throws: `invalidArgument` for a specification that does not fit the task; `unsupported` for a task whose answers
  ///   the model writes
  package init(_ run: ComparisonRun) throws(EngineError) {
    if run.task.hasWrittenAnswers {
      throw EngineError(
        .unsupported, "a comparison is written out where answers are labels", at: "task \(run.task.name)",
        expected: "a task with label words", found: "answers that the model writes")
    }
    let spec = run.spec
    guard spec.tuning.method == .lora else {
      throw EngineError(
        .unsupported, "a comparison is written out where tuning is LoRA", at: "comparison.tuning.method",
        expected: "lora", found: spec.tuning.method.rawValue)
    }
    func require(_ holds: Bool, _ key: String, _ expected: String, _ found: String) throws(EngineError) {
      guard !holds else { return }
      throw EngineError(
        .unsupported, "a comparison is written out where the residual stream of the last token is compared",
        at: "comparison.\(key)", expected: expected, found: found)
    }
    try require(spec.positions == .last, "positions", StatePosition.last.title, spec.positions.title)
    try require(spec.point == .residual, "point", StatePoint.residual.rawValue, spec.point.rawValue)
    let prepared = try run.prepared(twin: nil)
    task = run.task.name
    model = run.model.provenance
    self.spec = spec
    configuration = run.model.configuration
    optimizer = spec.tuning.configuration(seed: spec.seed).optimizer
    let hasAdapters = spec.tuning.steps > 0
    let shape = configuration
    adapters =
      hasAdapters
      ? (0..<spec.repetitions).map {
        LoRAAdapter(
          for: shape, rank: spec.tuning.rank, alpha: spec.tuning.alpha, projections: spec.tuning.projections,
          seed: run.seed(ofRepetition: $0))
      } : []
    repetitions = prepared.draws.enumerated().map { index, groups in
      Repetition(
        labelWords: groups[0].draw.labelWords, adapter: hasAdapters ? Self.folder(index) : nil,
        groups: groups.map { Self.group($0, run) })
    }
  }

  private static func group(_ group: ComparisonRun.Group, _ run: ComparisonRun) -> Group {
    let builder = run.builder(group.draw)
    func prompt(_ query: Draw.Example, after shown: [Draw.Example] = [], scored: Bool = false) -> Prompt {
      let text = builder.prompt(query, after: shown)
      let answers = (scored ? Array(builder.labelWords.indices) : []).map { label in
        let (whole, start) = builder.answered(text, label: label)
        return Answer(start: start, tokens: Array(whole[start...]))
      }
      return Prompt(text: text, tokens: builder.tokens(text), answers: answers)
    }
    let draw = group.draw
    let queries = group.queries.map { query in
      var prompts = [
        Condition.anchor.rawValue: prompt(query, scored: true),
        Condition.icl.rawValue: prompt(query, after: draw.demonstrations, scored: true),
      ]
      if run.spec.baselines.contains(.otherOrder), run.spec.demonstrations > 1 {
        prompts[Baseline.otherOrder.rawValue] = prompt(query, after: draw.reordered)
      }
      if run.spec.baselines.contains(.otherDemonstrations) {
        prompts[Baseline.otherDemonstrations.rawValue] = prompt(query, after: draw.others)
      }
      return Query(label: query.label, prompts: prompts)
    }
    let tuning = run.tuningSequences(builder, draw.demonstrations).map {
      Example(tokens: $0.tokens, lossWeights: $0.lossWeights)
    }
    return Group(queries: queries, tuning: tuning)
  }

  private static func folder(_ repetition: Int) -> String { "adapter-\(repetition)" }
  private static let scriptName = "comparison.json"

  /// Writes `comparison.json` and a folder in PEFT's format for each repetition's initial adapter.
  /// - Throws: `unreadableFile` when nothing can be written
  package func write(to folder: String) throws(EngineError) {
    let text = try ExperimentJSON.text(of: self)
    let url = URL(filePath: (folder as NSString).expandingTildeInPath)
    let stage = try StagedFolder(path: url.path)
    try StagedFile.write(Data(text.utf8), to: "\(stage.path)/\(Self.scriptName)")
    for (index, adapter) in adapters.enumerated() {
      try adapter.write(to: "\(stage.path)/\(Self.folder(index))", for: configuration, baseModel: model.name)
    }
    try stage.finish()
  }
}
