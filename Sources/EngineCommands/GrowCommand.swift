import ArgumentParser
import Foundation
import ICLEngine

/// `grow`: train the small model that ships, from a seed.
struct GrowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "grow", abstract: "Train the small model that ships, from nothing but a seed.",
    discussion: """
      Writes text with the built-in generator, trains on it, and leaves in the output folder: the model (GGUF), its \
      card with every measured figure, its training curve and log. Interrupted (Ctrl-C), it keeps a checkpoint; the \
      same command goes on from there.
      """)

  @Option(help: "Seed of the text and of the initial weights, 0 or more.", transform: OptionCheck.seed)
  var seed: UInt64 = 1
  @Option(help: "Folder to write to; made when it is absent.") var output: String
  @Option(help: "Minutes after which the last phase begins, whatever was reached.") var minutes: Double?
  @Flag(help: "A tiny model and a few steps, to see that everything is in place.") var small = false
  @Flag(help: "Arithmetic of OpenBLAS: the last bits then depend on the machine.") var blas = false
  @Option(help: "Type of the matrices: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16, BF16 or F32.") var type = "Q8_0"
  @Option(help: "Name of the model's file, without extension.") var name = "tour"
  @Option(help: "Transformer blocks; the shape of the model that ships when left out, as the next four.") var layers:
    Int?
  @Option(help: "Width of the residual stream.") var width: Int?
  @Option(help: "Attention heads; they divide the width into even parts.") var heads: Int?
  @Option(help: "Width of the feed-forward layers.") var feedForward: Int?
  @Option(help: "Learning rate.") var rate: Float?

  func validate() throws {
    try OptionCheck.notEmpty(("--output", output))
    guard name.wholeMatch(of: /[^\/\x00-\x1f]+/) != nil, ![".", "..", "checkpoint"].contains(name),
      name.utf8.count < 200
    else {
      throw ValidationError(
        "--name takes the name of a file without folder and extension, other than checkpoint, not '\(name)'.")
    }
    guard BlockQuantizer.supported.contains(where: { $0.name == type }) else {
      throw ValidationError(
        "--type \(type) is not written; choose one of "
          + BlockQuantizer.supported.map(\.name).joined(separator: ", "))
    }
    for (option, value) in [
      ("--layers", layers), ("--width", width), ("--heads", heads), ("--feed-forward", feedForward),
    ] {
      if let value, value < 1 { throw ValidationError("\(option) must be above 0, not \(value)") }
    }
    if let rate, !(rate > 0 && rate.isFinite) { throw ValidationError("--rate must be above 0, not \(rate)") }
    if let minutes, !(minutes > 0) { throw ValidationError("--minutes must be above 0, not \(minutes)") }
  }

  func run() throws {
    guard let type = BlockQuantizer.supported.first(where: { $0.name == type }) else { return }
    try OutputPlace.checkFolder(output, option: "--output")
    do {
      try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    } catch {
      throw EngineError(.unreadableFile, "the output folder cannot be made", at: output, underlying: error)
    }
    for file in ["\(name).gguf", "checkpoint.gguf", "MODEL_CARD.md", "training-curve.svg", "training-log.csv"] {
      try OutputPlace.checkFile("\(output)/\(file)", option: "--output")
    }

    let vocabulary = try TrainingText.vocabulary()
    let size = vocabulary.pieces.count
    var settings = Grower.Settings(
      seed: seed, configuration: shape(vocabularySize: size), curriculum: small ? .trial : .standard, folder: output)
    if let rate { settings.rate = rate }
    if let minutes { settings.limit = minutes * 60 }
    let trainer = try FullGrowthTrainer(
      configuration: settings.configuration, seed: seed, arithmetic: blas ? .openBLAS : .reproducible)
    let grower = try Grower(settings, vocabulary: vocabulary, trainer: trainer)
    if try grower.resume() { try StandardOutput.line("Going on from step \(grower.progress.step).") }

    var failure: OutputError?
    do {
      try train(grower) { failure = $0 }
      try StandardOutput.line("Measuring …")
      try StandardOutput.flush()
      let grown = try GrownModel(
        finishing: grower, name: name, as: type, questions: small ? 20 : 200, repetitions: small ? 2 : 5,
        compares: !small)
      for figure in grown.evaluation.figures {
        try StandardOutput.line(
          "\(figure.name): \(Self.rounded(figure.mean * 100)) % ± \(Self.rounded(figure.deviation * 100))")
      }
      try StandardOutput.line(
        "Wrote \(grown.modelPath), MODEL_CARD.md, training-curve.svg and training-log.csv in \(output).")
    } catch let error as EngineError where error.code == .interrupted {
      if let failure { throw failure }
      throw Stopped(
        place: "after \(grower.progress.step.counted("step"))", saved: "\(output)/checkpoint.gguf keeps them",
        next: "the same command goes on from there: \(GivenCommand.text)")
    }
  }

  /// Shows each new row of the log; when it can't be shown, the training ends with its checkpoint.
  private func train(_ grower: Grower, onFailure: (OutputError) -> Void) throws(EngineError) {
    try grower.run { row in
      let accuracies = GrowthEvaluation.brief.compactMap { item in
        row.accuracies[item.name].map { "\(item.name): \(Int(($0 * 100).rounded())) %" }
      }
      let columns = ["step \(row.step)", row.phase, "\(Int(row.seconds)) s", "loss \(Self.rounded(row.loss))"]
      do throws(OutputError) {
        try StandardOutput.line((columns + accuracies).joined(separator: "  "))
        // Whoever follows a log file sees each line when it is written.
        try StandardOutput.flush()
      } catch {
        onFailure(error)
        Interruption.request()
      }
    }
  }

  private func shape(vocabularySize: Int) -> ModelConfiguration {
    let standard: ModelConfiguration =
      small ? .tiny(vocabularySize: vocabularySize) : .tour(vocabularySize: vocabularySize)
    return ModelConfiguration(
      name: standard.name, layerCount: layers ?? standard.layerCount, hiddenSize: width ?? standard.hiddenSize,
      headCount: heads ?? standard.headCount, feedForwardSize: feedForward ?? standard.feedForwardSize,
      vocabularySize: vocabularySize, contextLength: standard.contextLength)
  }

  private static func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
