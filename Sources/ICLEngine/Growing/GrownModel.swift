import Foundation

/// Writes what a finished growing leaves: the model, its card, its curve and its log.
package struct GrownModel: Sendable {
  package let modelPath: String
  package let evaluation: GrowthEvaluation
  package let byTask: GrowthEvaluation
  /// The four conditions on every task that ships, with arbitrary labels; none when they were not asked for.
  package let comparisons: [Comparison]

  /// Quantizes and writes the model, reads the file back as any other, and measures that.
  /// - Parameters:
  ///   - name: file name without extension
  ///   - type: type of the matrices; norms stay F32
  ///   - questions: per repetition of each figure
  ///   - compares: whether demonstrations are also compared with tuning on them, task by task
  ///   - extra: metadata that says where the model is from
  package init(
    finishing grower: Grower, name: String, as type: TensorType, questions: Int = 200, repetitions: Int = 5,
    compares: Bool = true, extra: [(key: String, value: GGUFValue)] = []
  ) throws(EngineError) {
    let settings = grower.settings
    modelPath = "\(settings.folder)/\(name).gguf"
    var writer = GGUFWriter()
    try writer.add(grower.weights(), configuration: settings.configuration, as: type)
    for (key, value) in extra + grower.vocabulary.metadata { writer.set(key, value) }
    writer.set("growth.seed", .uint64(settings.seed))
    writer.set("growth.steps", .uint32(UInt32(grower.progress.step)))
    try writer.write(to: modelPath)

    let model = try LlamaModel(contentsOf: modelPath)
    let seed = settings.seed &+ 1000
    evaluation = try GrowthEvaluation.measure(
      model, vocabulary: grower.vocabulary, questions: questions, repetitions: repetitions, seed: seed)
    var figures: [GrowthEvaluation.Figure] = []
    for task in TextTask.all {
      let item = GrowthEvaluation.Item(task.name, .arbitrary(demonstrations: 8))
      figures += try GrowthEvaluation.measure(
        model, vocabulary: grower.vocabulary, items: [item], questions: questions / 2, repetitions: repetitions,
        seed: seed, only: task
      ).figures
    }
    byTask = GrowthEvaluation(figures: figures)
    var comparisons: [Comparison] = []
    for task in compares ? ClassificationTask.shipped : [] where !task.hasWrittenAnswers {
      let spec = ComparisonSpec(demonstrations: 8, queries: 24, repetitions: 8, baselines: [], seed: settings.seed)
      comparisons.append(try ComparisonRun(model: model, task: task, spec: spec).result())
    }
    self.comparisons = comparisons

    let provenance = model.provenance
    let card = ModelCard(
      fileName: "\(name).gguf", sha256: provenance.sha256 ?? "", byteCount: try Self.size(of: modelPath),
      provenance: provenance, settings: settings, progress: grower.progress, evaluation: evaluation, byTask: byTask,
      comparisons: comparisons)
    try Self.write(card.markdown, to: settings.folder + "/MODEL_CARD.md")
    try Self.write(grower.progress.log.svg, to: settings.folder + "/training-curve.svg")
    try Self.write(grower.progress.log.csv, to: settings.folder + "/training-log.csv")
  }

  private static func size(of path: String) throws(EngineError) -> Int {
    do {
      return try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe).count
    } catch {
      throw EngineError(.unreadableFile, "the file just written cannot be read", at: path, underlying: error)
    }
  }

  private static func write(_ text: String, to path: String) throws(EngineError) {
    try StagedFile.write(Data(text.utf8), to: path)
  }
}
