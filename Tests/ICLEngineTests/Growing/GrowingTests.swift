import Fixtures
import Foundation
import ICLEngine
import Testing

@Suite struct GrowingTests {
  /// Trains as the real one does, and fails at a step of choice as a power cut would.
  private final class FailingTrainer: GrowthTrainer {
    struct PowerCut: Error {}
    let inner: FullGrowthTrainer
    var stepsLeft: Int

    init(_ inner: FullGrowthTrainer, steps: Int) {
      self.inner = inner
      stepsLeft = steps
    }

    func step(_ batch: [TokenSequence], rate: Float) throws(EngineError) -> Double {
      if stepsLeft == 0 { throw EngineError(.interrupted, "the power is cut") }
      stepsLeft -= 1
      return try inner.step(batch, rate: rate)
    }
    func weights() -> LlamaWeights { inner.weights() }
    func state() -> [(name: String, values: [Float])] { inner.state() }
    func restore(_ state: [String: [Float]]) throws(EngineError) { try inner.restore(state) }
  }

  private static let vocabulary = Result { try TrainingText.vocabulary() }

  private static func settings(_ folder: String, seed: UInt64 = 1) throws -> Grower.Settings {
    var curriculum = Curriculum.trial
    for index in curriculum.phases.indices {
      curriculum.phases[index].maxSteps = 14
      // The first trial phase is too short to learn copying; a text that can be learned at once shows a falling loss.
      curriculum.phases[index].mixture = EpisodeMixture()
      curriculum.phases[index].mixture.meaningful = 1
    }
    let size = try vocabulary.get().pieces.count
    var settings = Grower.Settings(
      seed: seed, configuration: .tiny(vocabularySize: size), curriculum: curriculum, folder: folder)
    settings.logInterval = 7
    settings.evaluationInterval = 14
    settings.evaluationQuestions = 4
    settings.checkpointInterval = 0
    settings.warmup = 3
    return settings
  }

  private static func trainer(_ settings: Grower.Settings) throws -> FullGrowthTrainer {
    try FullGrowthTrainer(configuration: settings.configuration, seed: settings.seed, arithmetic: .reproducible)
  }

  private static func embedding(_ grower: Grower) -> [UInt8] {
    let matrix = grower.weights().tokenEmbedding
    return matrix.withRows(0..<matrix.rows) { Array($0) }
  }

  @Test func `a growing that was cut off goes on to the same bits, with a falling loss and a whole log`() throws {
    let folders = try (0..<2).map { try Fixtures.temporaryFolder("grow\($0)").path }
    defer { for folder in folders { try? FileManager.default.removeItem(atPath: folder) } }

    let whole = try Self.settings(folders[0])
    let grower = try Grower(whole, vocabulary: Self.vocabulary.get(), trainer: Self.trainer(whole))
    #expect(try grower.resume() == false)
    try grower.run { _ in }
    let losses = grower.progress.log.rows.map(\.loss)
    #expect(losses.count == 4)
    let (first, last) = (try #require(losses.first), try #require(losses.last))
    // From the logarithm of the vocabulary's size to that of the number of labels in use.
    #expect(last < first - 1, "the loss went from \(first) to \(last)")

    let cut = try Self.settings(folders[1])
    let before = try Grower(
      cut, vocabulary: Self.vocabulary.get(), trainer: FailingTrainer(Self.trainer(cut), steps: 19))
    #expect(throws: EngineError.self) { try before.run { _ in } }
    let after = try Grower(cut, vocabulary: Self.vocabulary.get(), trainer: Self.trainer(cut))
    #expect(try after.resume())
    #expect(after.progress.step == 19)
    try after.run { _ in }
    #expect(Self.embedding(after) == Self.embedding(grower))
    #expect(after.progress.log.rows.map(\.loss) == losses)
    #expect(after.progress.endings == grower.progress.endings)
  }

  @Test func `a checkpoint of another seed is refused, and so is one that is damaged`() throws {
    let folder = try Fixtures.temporaryFolder("grow").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let settings = try Self.settings(folder)
    let grower = try Grower(
      settings, vocabulary: Self.vocabulary.get(), trainer: FailingTrainer(Self.trainer(settings), steps: 2))
    #expect(throws: EngineError.self) { try grower.run { _ in } }

    let other = try Self.settings(folder, seed: 2)
    let stranger = try Grower(other, vocabulary: Self.vocabulary.get(), trainer: Self.trainer(other))
    let error = try #require(throws: EngineError.self) { try stranger.resume() }
    #expect(error.found == "seed 1")

    let path = folder + "/checkpoint.gguf"
    let bytes = try Data(contentsOf: URL(filePath: path))
    try bytes.prefix(bytes.count / 2).write(to: URL(filePath: path))
    let damaged = try Grower(settings, vocabulary: Self.vocabulary.get(), trainer: Self.trainer(settings))
    #expect(throws: EngineError.self) { try damaged.resume() }
  }

  @Test func `a finished growing leaves a model that reads back, its card, curve and log`() throws {
    let folder = try Fixtures.temporaryFolder("grow").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let settings = try Self.settings(folder)
    let grower = try Grower(settings, vocabulary: Self.vocabulary.get(), trainer: Self.trainer(settings))
    try grower.run { _ in }
    let grown = try GrownModel(
      finishing: grower, name: "tiny", as: .q8_0, questions: 4, repetitions: 2, compares: false)

    let model = try LlamaModel(contentsOf: grown.modelPath)
    #expect(model.configuration == settings.configuration)
    let before = grower.weights().tokenEmbedding.withRows(0..<8) { Array($0.bindMemory(to: Float.self)) }
    let stored = model.weights.tokenEmbedding.withRows(0..<8) { [UInt8]($0) }
    let quantized = try BlockQuantizer.encode(before, as: .q8_0)
    #expect(stored == quantized)
    let text = "Find the mood of each review.\nReview: The soup was superb.\nMood:"
    let expected = [GrownVocabulary.begin] + (try Self.vocabulary.get().encode(text, atStart: true))
    #expect(model.tokenizer.encode(text) == expected)

    let card = try String(contentsOfFile: folder + "/MODEL_CARD.md", encoding: .utf8)
    #expect(card.contains(try #require(model.provenance.sha256)))
    for figure in grown.evaluation.figures { #expect(card.contains("| \(figure.name) |")) }
    let svg = try String(contentsOfFile: folder + "/training-curve.svg", encoding: .utf8)
    let parser = XMLCheck.parse(svg)
    #expect(parser, "the curve is not well-formed XML")
    let csv = try String(contentsOfFile: folder + "/training-log.csv", encoding: .utf8)
    #expect(csv.split(separator: "\n").count == 1 + grower.progress.log.rows.count)
  }

  @Test func `phases end when their aim is reached, not before`() {
    var row = GrowthLog.Row(
      step: 1, phase: "x", seconds: 0, tokens: 0, loss: 0.5, accuracies: ["arbitrary 8": 0.9, "meaningful 0": 0.95])
    func phase(_ aim: Curriculum.Aim?) -> Curriculum.Phase {
      Curriculum.Phase("x", mixture: EpisodeMixture(), tokens: 1, length: 1, aim: aim, maxSteps: 1)
    }
    #expect(phase(.loss(0.5)).isReached(by: row))
    #expect(!phase(.loss(0.4)).isReached(by: row))
    #expect(!phase(nil).isReached(by: row))
    #expect(phase(.accuracies(["arbitrary 8": 0.9, "meaningful 0": 0.9])).isReached(by: row))
    #expect(!phase(.accuracies(["arbitrary 8": 0.91])).isReached(by: row))
    #expect(!phase(.accuracies(["swapped 8": 0.1])).isReached(by: row))
    row.loss = .nan
    #expect(!phase(.loss(0.5)).isReached(by: row))
  }
}

/// Whether a text is well-formed enough for a picture: every tag closed in order.
private enum XMLCheck {
  static func parse(_ text: String) -> Bool {
    var open: [Substring] = []
    var rest = text[...]
    while let start = rest.firstIndex(of: "<") {
      guard let end = rest[start...].firstIndex(of: ">") else { return false }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.hasPrefix("/") {
        guard open.popLast() == tag.dropFirst() else { return false }
      } else if !tag.hasSuffix("/") {
        open.append(tag.prefix { $0 != " " })
      }
    }
    return open.isEmpty
  }
}
