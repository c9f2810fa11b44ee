import Foundation

/// What trains: one step of an optimizer on sequences of tokens, and a state that can be kept.
package protocol GrowthTrainer: AnyObject {
  /// One forward and backward pass and one update.
  /// - Returns: mean loss over the weighted tokens, in nats.
  func step(_ batch: [TokenSequence], rate: Float) throws(EngineError) -> Double
  /// The weights as they are now, F32.
  func weights() -> LlamaWeights
  /// Everything that the next step depends on, as named arrays of numbers.
  func state() -> [(name: String, values: [Float])]
  func restore(_ state: [String: [Float]]) throws(EngineError)
}

/// Grows a model from a seed: runs the curriculum, measures, logs, keeps checkpoints, and goes on from the last one
/// when it was interrupted.
package final class Grower {
  package struct Settings: Sendable {
    package var seed: UInt64
    package var configuration: ModelConfiguration
    package var curriculum: Curriculum
    package var rate: Float = 2e-3
    /// Steps over which the rate rises at the beginning of each phase.
    package var warmup = 50
    /// Wall time, in seconds, after which the last phase (in which the rate falls) begins whatever was reached.
    package var limit: Double = .infinity
    package var folder: String
    /// Steps between log rows, and between evaluations.
    package var logInterval = 25
    package var evaluationInterval = 100
    package var evaluationQuestions = 64
    /// Seconds between checkpoints.
    package var checkpointInterval: Double = 60

    package init(seed: UInt64, configuration: ModelConfiguration, curriculum: Curriculum, folder: String) {
      self.seed = seed
      self.configuration = configuration
      self.curriculum = curriculum
      self.folder = folder
    }
  }

  /// Where the growing stands; what a checkpoint keeps beside the trainer's state.
  package struct Progress: Sendable, Codable, Equatable {
    package var step = 0
    package var phase = 0
    package var stepInPhase = 0
    package var seconds = 0.0
    package var tokens = 0
    package var log = GrowthLog()
    /// Losses of the steps since the last row of the log.
    package var losses: [Double] = []
    /// Why each finished phase ended.
    package var endings: [String] = []
  }

  package let settings: Settings
  package let vocabulary: GrownVocabulary
  package private(set) var progress = Progress()
  private let trainer: any GrowthTrainer
  private let tokenizer: SentencePieceTokenizer

  package init(
    _ settings: Settings, vocabulary: GrownVocabulary, trainer: any GrowthTrainer
  ) throws(EngineError) {
    self.settings = settings
    self.vocabulary = vocabulary
    self.trainer = trainer
    tokenizer = try vocabulary.tokenizer()
  }

  package func weights() -> LlamaWeights { trainer.weights() }

  /// The model as it stands.
  package func model() throws(EngineError) -> LlamaModel {
    try LlamaModel(
      configuration: settings.configuration, weights: trainer.weights(), tokenizer: tokenizer,
      name: settings.configuration.name)
  }

  /// Trains to the end of the curriculum.
  /// - Parameter report: called with each new log row.
  /// - Throws: `interrupted`, after a checkpoint was written; what the trainer and the disk throw.
  package func run(report: (GrowthLog.Row) -> Void) throws(EngineError) {
    let before = progress.seconds
    let clock = ContinuousClock()
    let began = clock.now
    func elapsed() -> Double { before + Self.seconds(clock.now - began) }

    var lastCheckpoint = before
    let phases = settings.curriculum.phases
    while progress.phase < phases.count {
      let phase = phases[progress.phase]
      let isLast = progress.phase == phases.count - 1
      if Interruption.isRequested {
        progress.seconds = elapsed()
        try keepCheckpoint()
        try Interruption.check()
      }
      progress.losses.append(try step(phase, isLast: isLast))
      progress.seconds = elapsed()

      var ending: String?
      let evaluates = progress.step % settings.evaluationInterval == 0
      if progress.step % settings.logInterval == 0 {
        let loss = progress.losses.reduce(0, +) / Double(progress.losses.count)
        progress.losses = []
        let row = GrowthLog.Row(
          step: progress.step, phase: phase.name, seconds: progress.seconds, tokens: progress.tokens, loss: loss,
          accuracies: evaluates ? try accuracies() : [:])
        progress.log.rows.append(row)
        report(row)
        if progress.stepInPhase >= phase.minSteps, phase.isReached(by: row) { ending = "aim reached" }
      }
      if progress.stepInPhase >= phase.maxSteps { ending = ending ?? "all its steps" }
      if !isLast, progress.seconds > settings.limit { ending = ending ?? "time was up" }
      if let ending {
        progress.endings.append("\(phase.name): \(progress.stepInPhase) steps, \(ending)")
        progress.phase = ending == "time was up" ? phases.count - 1 : progress.phase + 1
        progress.stepInPhase = 0
        progress.losses = []
      }
      if progress.seconds - lastCheckpoint > settings.checkpointInterval {
        try keepCheckpoint()
        lastCheckpoint = progress.seconds
      }
    }
    try keepCheckpoint()
  }

  private func step(_ phase: Curriculum.Phase, isLast: Bool) throws(EngineError) -> Double {
    // Each step's text depends on the seed and the step alone, so that a resumed run reads what it would have read.
    var episodes = EpisodeGenerator(
      vocabulary: vocabulary, mixture: phase.mixture(atStep: progress.stepInPhase),
      generator: SeededGenerator(seed: settings.seed, stream: "step \(progress.step)"))
    let batch = episodes.batch(tokens: phase.tokens, longest: phase.length)
    var rate = settings.rate * min(1, Float(progress.stepInPhase + 1) / Float(settings.warmup))
    // The last phase settles: the rate falls to a twentieth.
    if isLast { rate = settings.rate * max(0.05, 1 - Float(progress.stepInPhase) / Float(phase.maxSteps)) }
    let loss = try trainer.step(batch, rate: rate)
    guard loss.isFinite else {
      throw EngineError(
        .invalidArgument, "the loss is no longer a number", at: "step \(progress.step), phase \(phase.name)",
        expected: "a finite loss", found: "\(loss)", nextStep: "lower the learning rate (\(settings.rate))")
    }
    progress.step += 1
    progress.stepInPhase += 1
    progress.tokens += batch.reduce(0) { $0 + $1.ids.count }
    return loss
  }

  private func accuracies() throws(EngineError) -> [String: Double] {
    let evaluation = try GrowthEvaluation.measure(
      model(), vocabulary: vocabulary, items: GrowthEvaluation.brief, questions: settings.evaluationQuestions,
      seed: settings.seed &+ 1)
    return Dictionary(uniqueKeysWithValues: evaluation.figures.map { ($0.name, $0.mean) })
  }

  private static func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  // MARK: Checkpoints

  private var checkpointPath: String { settings.folder + "/checkpoint.gguf" }

  private func keepCheckpoint() throws(EngineError) {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("icl-growth"))
    writer.set("growth.seed", .uint64(settings.seed))
    writer.set("growth.configuration", .string(try Self.json(settings.configuration)))
    writer.set("growth.progress", .string(try Self.json(progress)))
    for (name, values) in trainer.state() {
      try writer.add(name, dimensions: [values.count], values: values, as: .f32)
    }
    try writer.write(to: checkpointPath)
  }

  /// Takes up the checkpoint in the folder, if there is one.
  /// - Returns: whether there was.
  /// - Throws: `invalidArgument` when it belongs to another seed or shape; `malformedFile` when it is damaged.
  package func resume() throws(EngineError) -> Bool {
    guard FileManager.default.fileExists(atPath: checkpointPath) else { return false }
    let file = try GGUFFile(path: checkpointPath)
    guard let text = try file.text("growth.progress"), let shape = try file.text("growth.configuration"),
      let kept = try? JSONDecoder().decode(Progress.self, from: Data(text.utf8))
    else {
      throw EngineError(
        .malformedFile, "this is not a growing's checkpoint", at: checkpointPath, expected: "the key growth.progress",
        nextStep: "remove the file to begin anew")
    }
    let seed = try file.integer("growth.seed").map { UInt64($0) }
    guard seed == settings.seed, shape == (try Self.json(settings.configuration)) else {
      throw EngineError(
        .invalidArgument, "the checkpoint belongs to another growing", at: checkpointPath,
        expected: "seed \(settings.seed) and the same shape", found: "seed \(seed.map(String.init) ?? "none")",
        nextStep: "choose another --output, or remove the file to begin anew")
    }
    var state: [String: [Float]] = [:]
    for tensor in file.tensors where tensor.type == .f32 {
      let matrix = try file.matrix(tensor)
      state[tensor.name] = matrix.withRows(0..<matrix.rows) { Array($0.bindMemory(to: Float.self)) }
    }
    try trainer.restore(state)
    progress = kept
    return true
  }

  private static func json(_ value: some Encodable) throws(EngineError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      throw EngineError(.invalidArgument, "the progress cannot be written", underlying: error)
    }
  }
}

extension Curriculum.Phase {
  /// The mixture after `step` steps of the phase.
  package func mixture(atStep step: Int) -> EpisodeMixture {
    var result = mixture
    let way = min(1, Double(step) / Double(max(maxSteps, 1)))
    result.repetition = mixture.repetition + (finalRepetition - mixture.repetition) * way
    return result
  }

  package func isReached(by row: GrowthLog.Row) -> Bool {
    switch aim {
    case nil: return false
    case .loss(let most): return row.loss <= most
    case .accuracies(let least):
      return !least.isEmpty && least.allSatisfy { name, value in row.accuracies[name].map { $0 >= value } ?? false }
    }
  }
}
