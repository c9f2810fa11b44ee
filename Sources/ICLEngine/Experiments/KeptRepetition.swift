/// One finished repetition and what else a comparison takes from it: what is kept on disk, and what shards hand back.
package struct KeptRepetition: Sendable, Equatable, Codable {
  /// 0…repetitions − 1
  package let index: Int
  package let repetition: Repetition
  /// SHA-256 of the token ids of the repetition's prompts, in the order in which they were run.
  package let promptsSHA256: String
  /// Of the first repetition only.
  package let projection: StateProjection?
  /// Of the first repetition only; otherwise empty.
  package let layerCKA: [[Double]]
}

/// What a comparison says beside its repetitions: the same in each of them.
package struct ComparisonFrame: Sendable, Equatable, Codable {
  package let task: String
  package let labels: [String]
  package let spec: ComparisonSpec
  package let layerCount: Int
  package let notes: [String]
  package let model: ModelProvenance
  package let tokenizer: String
  package let engineVersion: String

  package init(model: any ExperimentModel, task: ClassificationTask, spec: ComparisonSpec, notes: [String]) {
    self.task = task.name
    labels = task.labels
    self.spec = spec
    layerCount = model.configuration.layerCount
    self.notes = notes
    self.model = model.provenance
    tokenizer = ExperimentProvenance.description(of: model.tokenizer)
    engineVersion = EngineVersion.current
  }

  /// The same with another path of the model's file.
  init(_ frame: ComparisonFrame, path: String?) {
    task = frame.task
    labels = frame.labels
    spec = frame.spec
    layerCount = frame.layerCount
    notes = frame.notes
    var model = frame.model
    model.path = path
    self.model = model
    tokenizer = frame.tokenizer
    engineVersion = frame.engineVersion
  }

  /// The comparison whose repetitions these are.
  /// - Parameter kept: at least one, in any order
  package func comparison(of kept: [KeptRepetition]) -> Comparison {
    let ordered = kept.sorted { $0.index < $1.index }
    let repetitions = ordered.map(\.repetition)
    return Comparison(
      task: task, labels: labels, spec: spec, layerCount: layerCount, repetitions: repetitions,
      projection: ordered.first?.projection, layerCKA: ordered.first?.layerCKA ?? [],
      isPartial: ordered.count < spec.repetitions, notes: notes,
      provenance: ExperimentProvenance(
        model: model, tokenizer: tokenizer,
        promptsSHA256: SHA256Digest.hexadecimal(ordered.flatMap { Array($0.promptsSHA256.utf8) }),
        values: repetitions, engineVersion: engineVersion))
  }
}
